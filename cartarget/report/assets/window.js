// The therapeutic window: coverage against liability. Best is up and to the left.

import { el, svg, byId, pill, linkTo, fractionText, signed } from "./dom.js";
import { axes, marks } from "./charts.js";
import { showTip, hideTip } from "./tip.js";

const CLASSES = ["over cap", "unknown", "origin only", "within caps"];

function pointsOf(table, sideways) {
  const points = [];
  for (let i = 0; i < table.n; i += 1) {
    const coverage = table.value(i, "coverage");
    const across = table.value(i, sideways);
    if (coverage === null || across === null) continue;
    points.push({ i, coverage, across, kind: table.value(i, "safety_class"), control: table.value(i, "control"), is_redundant: table.by.is_redundant?.get(i) });
  }
  return points;
}

/** The points that no other beats in both directions. `lower` says whether less is better across. */
export function front(points, { lower }) {
  const sign = lower ? 1 : -1;
  const sorted = [...points].sort((a, b) => sign * (a.across - b.across) || b.coverage - a.coverage);
  let best = -Infinity;
  return sorted.filter((point) => (point.coverage > best ? ((best = point.coverage), true) : false));
}

function steps(points, { x, y, from }) {
  let d = `M${x(points[0].across)} ${y(from)}`;
  points.forEach((point, i) => { d += `${i ? `H${x(point.across)}` : ""}V${y(point.coverage)}`; });
  return d;
}

function ticksOf(low, high) {
  const step = [1, 2, 5].find((one) => (high - low) / one <= 8) ?? 10;
  return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, i) => (Math.ceil(low / step) + i) * step);
}

/** Places for a name around its point: beside it, then further and further away, tied to it by a line. */
const AROUND = [[8, 4, "start"], [-8, 4, "end"], [0, -9, "middle"], [0, 18, "middle"], [8, -9, "start"], [-8, -9, "end"], [8, 17, "start"], [-8, 17, "end"],
  ...[26, 42, 58, 74].flatMap((far) => [[0, -far, "middle"], [far, -far / 1.6, "start"], [-far, -far / 1.6, "end"], [far, far / 1.6 + 8, "start"], [-far, far / 1.6 + 8, "end"], [0, far + 8, "middle"]])];

function label(placed, point, name, { x, y, box }) {
  const width = name.length * 7 + 6;
  const px = x(point.across), py = y(point.coverage);
  for (const [dx, dy, anchor] of AROUND) {
    const left = px + dx - (anchor === "end" ? width : anchor === "middle" ? width / 2 : 0);
    const top = py + dy - 11;
    const clash = placed.some((other) => left < other.left + other.width && other.left < left + width && top < other.top + 14 && other.top < top + 14);
    if (clash || left < box.left || left + width > box.right + 22 || top < 2 || top + 14 > box.bottom) continue;
    placed.push({ left, top, width });
    const far = Math.hypot(dx, dy) > 20;
    return [far && svg("line", { class: "leader-line", x1: px, y1: py, x2: px + dx, y2: py + dy - 4 }), svg("text", { class: "point-name", x: px + dx, y: py + dy, "text-anchor": anchor }, name)];
  }
  return null;
}

function draw(model, host, state) {
  const table = state.table === "gates" ? model.gates : model.antigens;
  const column = table.by[state.across];
  const lower = state.across === "liability";
  const points = pointsOf(table, state.across);
  if (points.length === 0) {
    host.replaceChildren(el("p", { class: "empty" }, "Nothing to draw: no coverage or no liability is known."));
    return;
  }
  const scale = parseFloat(getComputedStyle(document.documentElement).fontSize) / 15;
  const width = Math.max(420, Math.round((host.clientWidth || 720) / scale)), height = Math.max(360, Math.round((host.clientHeight || 480) / scale));
  const box = { left: 58, right: width - 26, top: 64, bottom: height - 56 };
  const low = lower ? 0 : Math.floor(Math.min(...points.map((point) => point.across))), high = lower ? 1 : Math.ceil(Math.max(...points.map((point) => point.across), low + 1));
  const x = (value) => box.left + ((value - low) / (high - low)) * (box.right - box.left);
  const y = (value) => box.bottom - value * (box.bottom - box.top);
  points.forEach((point) => { point.x = x(point.across); point.y = y(point.coverage); });
  const edge = front(points.filter((point) => !point.control), { lower });
  const placed = points.filter((point) => point.control === "clinical").map((point) => ({ left: point.x - 7, top: point.y - 7, width: 14 }));
  const named = [...points.filter((point) => point.control === "clinical"), ...edge].filter((point, i, all) => all.indexOf(point) === i).filter((point) => point.control || point.coverage >= 0.25).slice(0, 40);
  const picture = svg("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, width: Math.round(width * scale), height: Math.round(height * scale), role: "img", "aria-label":
    `Coverage against ${column.title.toLowerCase()} of ${points.length} ${state.table}; the table below holds the same numbers` },
  axes({ x, y, box, yTicks: [0, 0.25, 0.5, 0.75, 1], xTicks: lower ? [0, 0.25, 0.5, 0.75, 1] : ticksOf(low, high), text: lower ? fractionText : (value) => String(value).replace("-", "−"),
    xTitle: lower ? "Liability: worst weighted exposure outside the origin →" : "Window, log2 →", yTitle: model.run.primary === "bulk" ? "Coverage: patients hit →" : "Coverage: malignant cells hit, mean of patients →" }),
  CLASSES.map((kind) => marks(kind, points.filter((point) => point.kind === kind))),
  edge.length > 0 && svg("path", { class: "front", d: steps(edge, { x, y, from: edge[0].coverage }) }),
  points.filter((point) => point.control === "clinical").map((point) => svg("circle", { class: "ring", cx: point.x, cy: point.y, r: 7 })),
  named.map((point) => label(placed, point, table.key.get(point.i), { x, y, box })),
  svg("circle", { class: "cursor", r: 8, cx: -20, cy: -20 }));
  picture.addEventListener("pointermove", (event) => hover(event, picture, points, table));
  picture.addEventListener("pointerleave", () => { hideTip(); picture.querySelector(".cursor").setAttribute("cx", -20); });
  picture.addEventListener("click", (event) => {
    const point = nearest(event, picture, points);
    if (point) location.hash = linkTo(table.key.get(point.i), state.table === "gates" ? "gate" : "antigen");
  });
  host.replaceChildren(picture);
}

function nearest(event, picture, points) {
  const frame = picture.getBoundingClientRect();
  const scale = picture.viewBox.baseVal.width / frame.width;
  const px = (event.clientX - frame.left) * scale, py = (event.clientY - frame.top) * scale;
  let best = null, reach = 16 ** 2;
  for (const point of points) {
    const gap = (point.x - px) ** 2 + (point.y - py) ** 2;
    if (gap < reach) [best, reach] = [point, gap];
  }
  return best;
}

function hover(event, picture, points, table) {
  const point = nearest(event, picture, points);
  const cursor = picture.querySelector(".cursor");
  picture.classList.toggle("pointing", Boolean(point));
  if (!point) { hideTip(); cursor.setAttribute("cx", -20); return; }
  cursor.setAttribute("cx", point.x);
  cursor.setAttribute("cy", point.y);
  const frame = picture.getBoundingClientRect();
  const scale = frame.width / picture.viewBox.baseVal.width;
  const at = { left: frame.left + point.x * scale + 12, bottom: frame.top + point.y * scale + 4, top: frame.top + point.y * scale - 4 };
  const value = (name) => table.value(point.i, name);
  const alike = points.filter((other) => other.x === point.x && other.y === point.y).length - 1;
  showTip([el("strong", {}, table.key.get(point.i)), pill(point.kind),
    el("p", {}, `Coverage ${fractionText(value("coverage"))}, liability ${fractionText(value("liability")) || "unknown"}${value("liability_population") ? ` in ${value("liability_population")}` : ""}`),
    value("window") !== null && el("p", { class: "facts" }, `Window ${signed(value("window"))} log2`),
    alike > 0 && el("p", { class: "facts" }, `and ${alike} more at this very point`)].filter(Boolean), at);
}

/** Which part of the antigens that reach the tumour has a liability of 1: there the plot against liability is one line. */
function saturated(table) {
  const eligible = Array.from({ length: table.n }, (_, i) => i).filter((i) => table.value(i, "is_eligible"));
  return eligible.filter((i) => (table.value(i, "liability") ?? 0) >= 0.99).length / Math.max(eligible.length, 1);
}

/** Draw the plot and wire its two switches. */
export function drawWindow(model) {
  const host = byId("window-plot");
  const crowded = saturated(model.antigens);
  const state = { table: "antigens", across: crowded > 0.4 ? "window" : "liability" };
  const redraw = () => {
    draw(model, host, state);
    byId("window-note").textContent = state.across === "liability"
      ? `Up and to the left is better.${crowded > 0.1 ? ` ${Math.round(100 * crowded)} % of the antigens that reach the tumour stand at a liability of 1.` : ""}`
      : "Up and to the right is better: how far the tumour's lower quartile stands above the worst vital tissue outside the origin.";
  };
  for (const button of document.querySelectorAll(`[data-window^="across:"]`)) {
    button.setAttribute("aria-pressed", String(button.dataset.window === `across:${state.across}`));
  }
  for (const button of document.querySelectorAll("[data-window]")) {
    const [key, value] = button.dataset.window.split(":");
    if (value === "gates" && model.gates.n === 0) button.disabled = true;
    if (value === "window" && pointsOf(model.antigens, "window").length === 0) button.disabled = true;
    button.addEventListener("click", () => {
      state[key] = value;
      for (const other of document.querySelectorAll(`[data-window^="${key}:"]`)) other.setAttribute("aria-pressed", String(other === button));
      redraw();
    });
  }
  let size = "";
  new ResizeObserver(() => {
    const now = `${host.clientWidth} × ${host.clientHeight}`;
    if (now !== size) requestAnimationFrame(redraw);
    size = now;
  }).observe(host);
  redraw();
  return redraw;
}
