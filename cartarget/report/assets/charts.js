// Small charts as SVG. Sizes in the drawing are CSS pixels; what is a share is a percentage, so that it stretches.

import { svg, levelText, fractionText, slugOf } from "./dom.js";

const percent = (share) => `${(100 * Math.min(Math.max(share, 0), 1)).toFixed(2)}%`;

/** A place without a measurement: hatched, and said in words. */
export function hatched(words = "not measured") {
  return svg("svg", { class: "bar bar-missing", height: 16, role: "img", "aria-label": words },
    svg("rect", { class: "track-missing", y: 3, width: "100%", height: 10, rx: 2, fill: "url(#hatch)" }));
}

/** An interval on [0, 1] with its median: the fraction of a population that is hit. */
export function intervalBar({ lower, upper, fraction, is_thin = false, side = "normal" }, { cap = null } = {}) {
  const words = `${fraction === null ? "between" : `${fractionText(fraction)}, interval`} ${fractionText(lower)} to ${fractionText(upper)}`;
  return svg("svg", { class: `bar bar-${side}`, height: 16, role: "img", "aria-label": words },
    svg("rect", { class: "track", y: 7, width: "100%", height: 2, rx: 1 }),
    cap !== null && cap < 1 && svg("line", { class: "cap", x1: percent(cap), x2: percent(cap), y1: 1, y2: 15 }),
    svg("rect", { class: is_thin && side === "normal" ? "interval thin" : "interval", x: percent(lower), y: 4, height: 8, rx: 2, width: percent(Math.max(upper - lower, 0.006)) }),
    fraction !== null && svg("circle", { class: "median", cx: percent(0.006 + 0.988 * fraction), cy: 8, r: 3.5 }));
}

const LEVEL_TOP = 12; // log2(1 + 4095)

/** A summary's level on a fixed log scale, with the level that counts as positive. */
export function levelBar(level, { threshold = null, is_hit = false } = {}) {
  const at = (value) => percent(Math.log2(1 + Math.max(value, 0)) / LEVEL_TOP);
  return svg("svg", { class: `bar bar-level ${is_hit ? "is-hit" : ""}`, height: 16, role: "img", "aria-label": `level ${levelText(level)}` },
    svg("rect", { class: "track", y: 7, width: "100%", height: 2, rx: 1 }),
    svg("rect", { class: "level", y: 5, height: 6, rx: 1, width: at(level) }),
    threshold !== null && svg("line", { class: "cap", x1: at(threshold), x2: at(threshold), y1: 2, y2: 14 }));
}

export const STAINS = ["not detected", "low", "medium", "high"];

/** One square per stained cell type: darker is more; hatched is not measured. */
export function stainSquares(rows) {
  const size = 12;
  return svg("svg", { class: "stains", width: rows.length * (size + 2), height: size, role: "img",
    "aria-label": rows.map((row) => `${row.cell_type || "tissue"}: ${row.is_measured ? STAINS[row.level] : "not measured"}`).join(", ") },
  rows.map((row, i) => svg("rect", { x: i * (size + 2), y: 0.5, width: size - 1, height: size - 1, rx: 2,
    class: row.is_measured ? `stain stain-${row.level}` : "stain track-missing", fill: row.is_measured ? null : "url(#hatch)" },
  svg("title", {}, `${row.cell_type || "tissue"}: ${row.is_measured ? STAINS[row.level] : "not measured"}`))));
}

const nice = [0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000];

/** Tumour patients as stacked dots, levels on a log axis or shares on a plain one; the threshold as a line; normal tissues as ticks below. */
export function patientDots(levels, { threshold = null, unit = "", normals = [], width = 720, is_share = false } = {}) {
  const left = 16, right = 16, dot = 7;
  const top = is_share ? 1 : Math.max(...levels, threshold ?? 0, ...normals.map((row) => row.level), 10) * 1.15;
  const share = (value) => (is_share ? value : Math.log2(1 + Math.max(value, 0)) / Math.log2(1 + top));
  const scale = (value) => left + share(value) * (width - left - right);
  const ticks = is_share ? [0, 0.25, 0.5, 0.75, 1] : nice.filter((value) => value <= top);
  const stacks = new Map();
  const dots = [...levels].sort((a, b) => a - b).map((level) => {
    const bin = Math.round(scale(level) / dot);
    const at = stacks.get(bin) ?? 0;
    stacks.set(bin, at + 1);
    return { level, x: bin * dot, at };
  });
  const tallest = Math.max(...stacks.values(), 3);
  const step = Math.min(dot, 126 / tallest);
  const base = 18 + tallest * step;
  const height = base + (normals.length ? 60 : 22);
  const hit = threshold === null ? levels.length : levels.filter((level) => level >= threshold).length;
  return svg("svg", { class: "dots", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": is_share ? `Fraction of malignant cells hit in each of ${levels.length} patients`
      : `${hit} of ${levels.length} patients at or above ${threshold ?? 0} ${unit}` },
  svg("line", { class: "axis", x1: left, x2: width - right, y1: base, y2: base }),
  ticks.map((value) => [
    svg("line", { class: "axis", x1: scale(value), x2: scale(value), y1: base, y2: base + 4 }),
    svg("text", { class: "tick", x: scale(value), y: base + 15, "text-anchor": "middle" }, is_share ? fractionText(value) : levelText(value))]),
  threshold !== null && [
    svg("line", { class: "threshold", x1: scale(threshold), x2: scale(threshold), y1: 12, y2: base }),
    svg("text", { class: "tick strong", x: scale(threshold) + 5, y: 14 }, `positive from ${levelText(threshold)} ${unit}`)],
  dots.map(({ level, x, at }) => svg("circle", { class: threshold === null || level >= threshold ? "dot hit" : "dot",
    cx: x, cy: base - 5 - at * step, r: Math.min(3, step / 2 + 0.6) })),
  normals.length > 0 && normalTicks(normals, { scale, base, width }));
}

/** One dot a patient where only hit or not is known: filled is hit. */
export function patientRow({ n_positive: hit, n_observations: all }) {
  const dot = 9, line = 80;
  return svg("svg", { class: "dots patient-row", viewBox: `0 0 ${line * dot} ${Math.ceil(all / line) * dot + 2}`, role: "img", "aria-label": `${hit} of ${all} patients hit` },
    Array.from({ length: all }, (_, i) => svg("circle", { class: i < hit ? "dot hit" : "dot", cx: (i % line) * dot + 5, cy: Math.floor(i / line) * dot + 5, r: 3 })));
}

function normalTicks(normals, { scale, base, width }) {
  const worst = normals.reduce((a, b) => (b.level > a.level ? b : a));
  const x = scale(worst.level);
  return svg("g", {},
    normals.map((row) => svg("line", { class: "normal-tick", x1: scale(row.level), x2: scale(row.level), y1: base + 24, y2: base + 38 },
      svg("title", {}, `${row.tissue}: ${levelText(row.level)}`))),
    svg("text", { class: "tick danger", x, y: base + 52, "text-anchor": x > width * 0.8 ? "end" : x < width * 0.2 ? "start" : "middle" },
      `worst vital tissue: ${worst.tissue} ${levelText(worst.level)}`));
}

const MARKS = {
  "within caps": (x, y) => `M${x - 4} ${y}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z`,
  "origin only": (x, y) => `M${x} ${y - 5}l5 5l-5 5l-5-5z`,
  unknown: (x, y) => `M${x - 3.5} ${y}a3.5 3.5 0 1 0 7 0a3.5 3.5 0 1 0-7 0z`,
  "over cap": (x, y) => `M${x} ${y - 4.5}l4.4 8h-8.8z`,
};

/** Points of one class as one path: quick to draw, quick to print. */
export const marks = (kind, points) => svg("path", { class: `mark mark-${slugOf(kind)}`,
  d: points.map(({ x, y }) => (MARKS[kind] ?? MARKS.unknown)(Math.round(x * 10) / 10, Math.round(y * 10) / 10)).join("") });

/** Axes of a plot with ticks, grid and titles. */
export function axes({ x, y, xTicks, yTicks, xTitle, yTitle, box, text = fractionText }) {
  return svg("g", { class: "axes" },
    yTicks.map((value) => [
      svg("line", { class: "grid", x1: box.left, x2: box.right, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: box.left - 8, y: y(value) + 4, "text-anchor": "end" }, fractionText(value))]),
    xTicks.map((value) => [
      svg("line", { class: "grid", x1: x(value), x2: x(value), y1: box.top, y2: box.bottom }),
      svg("text", { class: "tick", x: x(value), y: box.bottom + 18, "text-anchor": "middle" }, text(value))]),
    svg("text", { class: "axis-title", x: (box.left + box.right) / 2, y: box.bottom + 40, "text-anchor": "middle" }, xTitle),
    svg("text", { class: "axis-title", x: 14, y: (box.top + box.bottom) / 2, "text-anchor": "middle",
      transform: `rotate(-90 14 ${(box.top + box.bottom) / 2})` }, yTitle));
}
