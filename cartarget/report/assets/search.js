// "Why is gene X not here?": every gene of the input under any of its names, with the step and the reason.

import { el, byId, pill, linkTo, countText } from "./dom.js";

/** Where a gene stands: a candidate, a control, or lost on the way. Exact names first, then other names, then beginnings. */
export function explain(model, asked, { limit = 8 } = {}) {
  const wanted = asked.trim().toLowerCase();
  if (wanted === "") return [];
  const { rowOf } = model.antigens;
  const { lost } = model;
  const found = new Map();
  const names = [...rowOf.keys(), ...lost.keys()].filter((name) => name.toLowerCase().startsWith(wanted)).sort();
  const others = alsoCalled(model.aliases, wanted);
  const isWhole = (name) => name.toLowerCase() === wanted;
  for (const name of names.filter(isWhole)) found.set(name, null);
  for (const [name, other] of others) if (isWhole(other) && !found.has(name)) found.set(name, other);
  for (const name of names) if (!found.has(name)) found.set(name, null);
  for (const [name, other] of others) if (!found.has(name)) found.set(name, other);
  return [...found].slice(0, limit).map(([name, other]) => ({ name, other, row: rowOf.get(name), reason: lost.get(name) }));
}

/** Genes of which another name begins so: [symbol, that name]. `text` holds a line `SYMBOL|NAME|NAME` for each gene. */
function alsoCalled(text, wanted) {
  const begins = new RegExp(`\\|(${wanted.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}[^|\\n]*)`, "gi");
  return [...text.matchAll(begins)].map((hit) => {
    const line = text.slice(text.lastIndexOf("\n", hit.index) + 1, hit.index);
    return [line.split("|", 1)[0], hit[1]];
  });
}

function answer(model, { name, other, row, reason }, ranked) {
  const also = other && el("small", {}, ` also called ${other} `);
  if (row === undefined) return el("li", {}, el("b", {}, name), also, " ", el("span", { class: "lost" }, reason ?? "is in the input, and in none of its tables"));
  const rank = model.antigens.value(row, "rank");
  return el("li", {}, el("a", { href: linkTo(name, "antigen") }, name), also, " ", pill(model.antigens.value(row, "safety_class")), " ",
    el("span", { class: "lost" }, rank === null ? (reason ?? "scored, not ranked: its coverage is below the floor") : `rank ${countText(rank)} of ${countText(ranked)}`));
}

/** Wire the search field. */
export function wireSearch(model) {
  const field = byId("why-field");
  const list = byId("why-answers");
  const ranked = Math.max(0, ...Array.from({ length: model.antigens.n }, (_, i) => model.antigens.told(i, "rank") ?? 0));
  const update = () => {
    const found = explain(model, field.value);
    const none = field.value.trim() !== "" && found.length === 0;
    list.replaceChildren(...found.map((one) => answer(model, one, ranked)),
      ...(none ? [el("li", {}, el("b", {}, field.value.trim()), " ", el("span", { class: "lost" }, "is in none of the files of this run under this name: not measured, or spelt otherwise."))] : []));
  };
  field.addEventListener("input", update);
}
