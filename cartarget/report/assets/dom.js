// Building the page: text goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** An HTML element. `onclick` and its like take functions. */
export const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

export const byId = (id) => document.getElementById(id);

const THIN = "\u202f";
export const MINUS = "\u2212";

/** A fraction: two decimals; what is not quite 0 or 1 is not printed as 0 or 1. */
export function fractionText(value) {
  if (value === null) return "";
  if (value > 0 && value < 0.005) return "<0.01";
  if (value < 1 && value >= 0.995) return ">0.99";
  return value.toFixed(2).replace("-", MINUS);
}

/** The bounds of an interval. */
export const rangeText = (lower, upper) => `${lower.toFixed(2)}–${upper.toFixed(2)}`;

/** A signed number with two decimals. */
export function signed(value) {
  if (value === null) return "";
  const text = value.toFixed(2);
  return Number(text) === 0 ? "0.00" : `${value > 0 ? "+" : ""}${text}`.replace("-", MINUS);
}

/** A whole number with thin spaces between thousands. */
export const countText = (value) => (value === null ? "" : String(value).replace(/\B(?=(\d{3})+$)/g, THIN));

/** A level: whole from ten on, one decimal below. */
export function levelText(value) {
  if (value === null) return "";
  if (Math.abs(value) >= 9.95) return countText(Math.round(value)).replace("-", MINUS);
  if (value > 0 && value < 0.05) return "<0.1";
  return String(Number(value.toFixed(1))).replace("-", MINUS);
}

/** Any value of a contract's column as text. */
export function show(value, column) {
  if (value === null || value === undefined) return "";
  if (column.kind === "flag") return value ? "yes" : "no";
  if (column.kind === "count") return countText(value);
  if (column.kind === "fraction") return fractionText(value);
  if (column.kind === "number") return column.name === "window" || /^(gain|window|select)/.test(column.name) ? signed(value) : levelText(value);
  return String(value);
}

/** A list of names as the tables hold it. */
export const names = (text) => (text ?? "").split(/\s*[;|]\s*|,\s+/).filter(Boolean);

export const plural = (n, one, many = `${one}s`) => `${countText(n)} ${n === 1 ? one : many}`;

const SHAPES = {
  safe: "M6 1a5 5 0 1 0 0 10a5 5 0 0 0 0-10zM5.2 8.6 2.9 6.3l.9-.9 1.4 1.4 3-3 .9.9z",
  "origin-only": "M6 .6 11.4 6 6 11.4.6 6zM6 3.2v5.6L8.8 6z",
  unknown: "M6 1a5 5 0 1 0 0 10a5 5 0 0 0 0-10zm0 1.3a3.7 3.7 0 1 1 0 7.4a3.7 3.7 0 0 1 0-7.4z",
  unsafe: "M6 .8 11.7 11H.3zM5.3 4.4v3h1.4v-3zm0 3.9v1.3h1.4V8.3z",
};

/** A safety class as shape, word and quiet colour. */
export function pill(kind, { isFirm = null, moved = "" } = {}) {
  const shape = svg("svg", { viewBox: "0 0 12 12", width: 11, height: 11, "aria-hidden": "true" },
    svg("path", { d: SHAPES[kind] ?? SHAPES.unknown, "fill-rule": "evenodd", fill: "currentColor" }));
  const shown = el("span", { class: `pill pill-${kind ?? "unknown"}${isFirm === false ? " pill-soft" : ""}` }, shape, kind ?? "not judged");
  return isFirm === false ? el("span", { class: "pill-pair" }, shown, el("small", { class: "not-firm" }, moved || "not at half or twice")) : shown;
}

/** The address of a card. */
export const linkTo = (gate, kind) => `#${kind}=${encodeURIComponent(gate)}`;
