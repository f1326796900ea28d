// Which part of a protein sticks out, as a sketch: the chain through the membrane, lengths by residue.

import { el, svg, plural } from "./dom.js";

/** Regions of a topology string, in order: [{ code, first, last, size }]. */
export function regionsOf(text) {
  return [...(text ?? "").matchAll(/([A-Z]+):(\d+)-(\d+)/g)].map(([, code, first, last]) => ({ code, first: Number(first), last: Number(last), size: last - first + 1 }));
}

const [WIDTH, TOP, BOTTOM, DEEP] = [560, 46, 64, 30]; // the membrane lies between TOP and BOTTOM

/** How far a loop of so many residues stands out: by the root, so that a short one is still seen. */
const reach = (size, most) => 6 + (DEEP - 6) * Math.sqrt(size / most);

/** What a topology says, in words. */
export function topologyWords(regions) {
  const outside = regions.filter(({ code }) => code === "NC").map(({ size }) => size);
  const spans = regions.filter(({ code }) => code === "TM").length;
  if (outside.length === 0) return "no part of it stands outside the cell";
  const longest = Math.max(...outside);
  const much = outside.length === 1 ? `${plural(longest, "residue")} outside` : `${plural(outside.reduce((sum, one) => sum + one, 0), "residue")} outside in ${outside.length} stretches, the longest ${longest}`;
  return `${much}; ${spans ? `crosses the membrane ${spans === 1 ? "once" : `${spans} times`}` : "held to the membrane without crossing it"}${longest < 30 ? "; little for a binder to hold" : ""}`;
}

/** The sketch: outside above, inside below. */
export function topologySketch(text) {
  const regions = regionsOf(text);
  if (regions.length === 0) return null;
  const last = regions.at(-1).last, most = Math.max(...regions.map(({ size }) => size));
  const spans = regions.filter(({ code }) => code === "TM" || code === "IM").length;
  // spans keep a width of their own; loops share the rest by residues, none so short that it vanishes
  const loops = regions.filter(({ code }) => code !== "TM" && code !== "IM");
  const room = WIDTH - 24 - spans * 9, share = loops.map(({ size }) => Math.max(Math.sqrt(size), 2)), total = share.reduce((sum, one) => sum + one, 0) || 1;
  let x = 12, loop = 0;
  const parts = regions.map((region) => {
    const wide = region.code === "TM" || region.code === "IM" ? 9 : (room * share[loop++]) / total;
    const left = x;
    x += wide;
    return { ...region, left, wide };
  });
  const draw = ({ code, left, wide, size, first, last: end }, i) => {
    const title = svg("title", {}, `${{ SP: "signal peptide", NC: "outside", TM: "in the membrane", CY: "inside", IM: "in the membrane" }[code] ?? code}, residues ${first} to ${end}`);
    if (code === "TM" || code === "IM") return svg("rect", { class: "topology-span", x: left + 1, y: TOP - 3, width: wide - 2, height: BOTTOM - TOP + 6, rx: 3 }, title);
    const up = code === "NC" || code === "SP", edge = up ? TOP : BOTTOM, far = up ? TOP - reach(size, most) : BOTTOM + reach(size, most);
    const middle = left + wide / 2;
    const before = i > 0 && ["TM", "IM"].includes(parts[i - 1].code), after = ["TM", "IM"].includes(parts[i + 1]?.code);
    const from = before ? edge : far, to = after ? edge : far;
    return svg("g", {}, svg("path", { class: `topology-loop topology-${code}`, d: `M${left} ${from}C${left} ${far} ${left} ${far} ${middle} ${far}S${left + wide} ${far} ${left + wide} ${to}` }, title),
      wide > 30 && svg("text", { class: "tick", x: middle, y: up ? far - 4 : far + 12, "text-anchor": "middle" }, code === "SP" ? "signal" : size));
  };
  return svg("svg", { class: "topology", viewBox: `0 0 ${WIDTH} 110`, role: "img", "aria-label": `Topology of ${last} residues: ${topologyWords(regions)}` },
    svg("rect", { class: "topology-membrane", x: 0, y: TOP, width: WIDTH, height: BOTTOM - TOP }), parts.map(draw));
}

/** One antigen's evidence of being on the surface: why it is a candidate, who votes, and what sticks out. */
export function surfaceOf(antigens, row, { named = false } = {}) {
  const value = (column) => antigens.value(row, column);
  const votes = value("n_votes"), regions = regionsOf(value("topology"));
  const has = new Set((value("surface_sources") ?? "").toLowerCase().split(/,\s*/));
  return el("div", { class: "surface" },
    el("p", { class: "votes" }, named && el("b", {}, antigens.key.get(row)), SOURCES.map((source) => el("span", { class: has.has(source.toLowerCase()) ? "vote yes" : "vote" }, source, el("span", { class: "hidden" }, has.has(source.toLowerCase()) ? " votes for it" : " does not"))),
      el("span", { class: "note" }, `${value("surface_status")}${votes === null ? "" : `, ${plural(votes, "vote")} of ${SOURCES.length}`}${scoreText(value("surface_score"))}`)),
    value("surface_reason") && el("p", { class: "note" }, `${value("surface_reason")}.`),
    topologySketch(value("topology")),
    el("p", { class: "note" }, regions.length ? `Above the membrane is outside: ${topologyWords(regions)} (SURFY).` : "Which part of it sticks out is not known in this run."));
}

const scoreText = (score) => (score === null ? "" : `, score ${score.toFixed(1)} (0 is even)`);

const SOURCES = ["UniProt", "GO", "HPA", "SURFY", "CSPA"];
