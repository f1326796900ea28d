// The body as a picture: organs tinted by how much of them a gate hits. Beside the table, never instead of it.

import { el, svg, fractionText } from "./dom.js";
import { groupTissues, isBlank, harm, worstOf, TIERS } from "./tissues.js";

const OUTLINE = "M100 6c-14 0-24 11-24 26 0 10 3 18 9 24v9c-2 4-8 7-17 10-17 5-27 12-30 30l-12 70c-2 12-5 22-6 34-1 8 3 14 8 14s8-4 9-11l8-40 13-45 3 50c0 18-5 34-5 54l4 84 3 77c-1 8-6 12-9 17-2 4 0 7 5 7h22c4 0 6-3 6-7l5-92 7-84 7 84 5 92c0 4 2 7 6 7h22c5 0 7-3 5-7-3-5-8-9-9-17l3-77 4-84c0-20-5-36-5-54l3-50 13 45 8 40c1 7 4 11 9 11s9-6 8-14c-1-12-4-22-6-34l-12-70c-3-18-13-25-30-30-9-3-15-6-17-10v-9c6-6 9-14 9-24 0-15-10-26-24-26z";

/** Own drawing: each organ as one path on a figure 200 wide and 470 high. */
const ORGANS = {
  brain: "M82 29c0-11 8-18 18-18s18 7 18 18c0 5-4 8-8 8H90c-4 0-8-3-8-8z",
  "pituitary gland": "M97 39h6v4h-6z",
  "oral mucosa": "M93 48h14v4H93z",
  "salivary gland": "M82 44h7v6h-7zM111 44h7v6h-7z",
  "thyroid gland": "M91 64h7v8h-7zM102 64h7v8h-7z",
  esophagus: "M98 74h4v56h-4z",
  trachea: "M93 74h4v22h-4z",
  bronchus: "M89 97h9v4h-9z",
  lung: "M92 92c-12-4-24 10-25 32 0 10 4 14 10 13 8-1 15-4 15-12zM108 92c12-4 24 10 25 32 0 10-4 14-10 13-8-1-15-4-15-12z",
  heart: "M101 113c6-6 17-2 17 7 0 9-10 15-17 20-5-4-9-9-9-16 0-8 5-13 9-11z",
  breast: "M70 138a7 5 0 1 0 14 0a7 5 0 1 0-14 0zM116 138a7 5 0 1 0 14 0a7 5 0 1 0-14 0z",
  liver: "M68 152c10-6 28-6 38-3 1 6-4 12-12 15-10 4-22 6-27 2-3-4-2-10 1-14z",
  gallbladder: "M88 168a4 5 0 1 0 8 0a4 5 0 1 0-8 0z",
  "bile duct": "M97 169h3v9h-3z",
  stomach: "M108 150c10-3 22-1 23 8 1 10-9 17-19 16-5-1-6-5-4-8 3-4 4-11 0-16z",
  spleen: "M131 156c6-1 9 4 8 9-1 6-6 9-10 6-2-4 0-13 2-15z",
  pancreas: "M92 181c10-5 26-5 38-3 2 3-1 6-5 6-11 1-22 4-31 4-4-1-5-5-2-7z",
  "adrenal gland": "M78 182h7v4h-7zM116 188h7v4h-7z",
  kidney: "M74 188c6-2 11 3 11 10s-4 13-9 12c-6-2-8-19-2-22zM126 188c-6-2-11 3-11 10s4 13 9 12c6-2 8-19 2-22z",
  colon: "M72 216h56v38h-8v-29H80v28h-8z",
  "small intestine": "M84 229h32v5H88v4h28v5H88v4h26v5H84z",
  appendix: "M74 256h5v8h-5z",
  rectum: "M97 257h7v16h-7z",
  "urinary bladder": "M91 275a9 7 0 1 0 18 0a9 7 0 1 0-18 0z",
  prostate: "M96 284h8v6h-8z",
  uterus: "M93 262h3v9h-3zM105 262h3v9h-3z",
  ovary: "M82 264a4 3 0 1 0 8 0a4 3 0 1 0-8 0zM110 264a4 3 0 1 0 8 0a4 3 0 1 0-8 0z",
  testis: "M94 293a3 4 0 1 0 6 0a3 4 0 1 0-6 0zM100 293a3 4 0 1 0 6 0a3 4 0 1 0-6 0z",
  "bone marrow": "M79 320h5v70h-5zM116 320h5v70h-5z",
  "skeletal muscle": "M69 312h7v60h-7zM124 312h7v60h-7z",
  "spinal cord": "M103 76h3v70h-3z",
  "lymph node": "M66 96a3 3 0 1 0 6 0a3 3 0 1 0-6 0zM128 96a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
  skin: "M36 150l4-22 5 1-4 22zM164 150l-4-22-5 1 4 22z",
  "blood vessel": "M106 330h3v80h-3zM91 330h3v80h-3z",
};

/** Five steps of one hue, so that the order survives grey. */
export function stepOf(value) {
  return value === null ? null : value < 0.005 ? 0 : value < 0.05 ? 1 : value < 0.2 ? 2 : value < 0.5 ? 3 : 4;
}

const WORDS = ["none seen", "under 0.05", "0.05 to 0.2", "0.2 to 0.5", "0.5 and more"];

/** What one tissue is worth in the picture: the worst counted share; a summary or stain above its level counts as one. */
export function tintOf(tissue) {
  if (isBlank(tissue)) return { value: null, words: "not measured" };
  const worst = worstOf(tissue), value = harm(worst);
  return { value, words: worst.fraction !== null ? fractionText(value) : value > 0 ? "at or above the level" : "below the level" };
}

const [LEFT, NAMED, LINE, FLOOR] = [182, 6, 15, 440]; // where names begin, how many, their distance, the lowest

/** Names of the most exposed organs at the figure's right side, vital ones first, each with a line to its organ, none upon another. */
function labels(worst) {
  const weight = (tissue) => Object.keys(TIERS).indexOf(tissue.tier) + (tissue.is_origin ? 0.5 : 0);
  const anchored = worst.toSorted((a, b) => weight(a) - weight(b) || b.value - a.value).slice(0, NAMED).map((tissue) => {
    const [, x, y] = /^M([\d.]+) ([\d.]+)/.exec(ORGANS[tissue.tissue]).map(Number);
    return { ...tissue, x, y };
  }).sort((a, b) => a.y - b.y);
  let last = -Infinity;
  for (const one of anchored) last = one.at = Math.max(one.y, last + LINE);
  for (let i = anchored.length - 1, most = FLOOR; i >= 0; i -= 1, most -= LINE) anchored[i].at = Math.min(anchored[i].at, most);
  return anchored.map(({ tissue, words, x, y, at }) => svg("g", {}, svg("path", { class: "organ-line", d: `M${x} ${y}L${LEFT - 12} ${at - 4}H${LEFT - 4}` }),
    svg("text", { class: "organ-name", x: LEFT, y: at }, tissue, svg("tspan", { class: "organ-value" }, ` ${words}`))));
}

/** The figure with its key; tissues without a shape are listed. */
export function bodyView(run, rows) {
  const tissues = groupTissues(run, rows);
  const drawn = tissues.filter((tissue) => ORGANS[tissue.tissue]);
  if (drawn.length < 4) return null;
  const told = drawn.map((tissue) => ({ ...tissue, ...tintOf(tissue) }));
  const worst = told.filter((tissue) => (tissue.value ?? 0) >= 0.05).sort((a, b) => b.value - a.value);
  const blank = told.filter((tissue) => tissue.value === null);
  const caption = worst.length ? `Most exposed: ${worst.slice(0, 4).map((tissue) => `${tissue.tissue} ${tissue.words}`).join(", ")}.` : blank.length === told.length ? "No organ drawn here is measured."
    : `None of the ${told.length - blank.length} measured organs drawn here is hit at 0.05 or more${blank.length ? `; ${blank.length} are not measured` : ""}.`;
  const picture = svg("svg", { class: "body", viewBox: "14 0 300 470", role: "img", "aria-label": `Exposure by organ. ${caption}${blank.length ? ` Not measured: ${blank.map((tissue) => tissue.tissue).join(", ")}.` : ""} The table holds every number.` },
    svg("path", { class: "body-outline", d: OUTLINE }),
    told.map((tissue) => svg("path", { class: tissue.value === null ? "organ organ-missing" : `organ organ-${stepOf(tissue.value)}`, d: ORGANS[tissue.tissue], fill: tissue.value === null ? "url(#hatch)" : null },
      svg("title", {}, `${tissue.tissue}: ${tissue.words}${tissue.is_origin ? " (origin)" : ""}`))), labels(worst.map((tissue) => ({ ...tissue, words: tissue.words === "at or above the level" ? "≥ the level" : tissue.words }))));
  const key = el("ul", { class: "body-key" }, WORDS.map((words, step) => el("li", {}, svg("svg", { width: 14, height: 14, "aria-hidden": "true" }, svg("rect", { class: `organ organ-${step}`, x: 0.5, y: 0.5, width: 13, height: 13, rx: 3 })), words)),
    el("li", {}, svg("svg", { width: 14, height: 14, "aria-hidden": "true" }, svg("rect", { class: "organ organ-missing", x: 0.5, y: 0.5, width: 13, height: 13, rx: 3, fill: "url(#hatch)" })), "not measured"));
  return el("figure", { class: "body-view" }, picture, el("figcaption", {}, el("p", { class: "note" }, caption), key,
    el("p", { class: "note" }, "A sketch: each organ has the tint of its worst measured population. Where nothing is counted, a summary at or above its level counts as 1.")));
}
