// "Why is gene X not here?": every gene of the input, with the step and the reason.

import { el, byId, pill, linkTo, countText } from "./dom.js";

/** Where a gene stands: a candidate, a control, or lost on the way. Exact names first, then beginnings. */
export function explain(model, asked, { limit = 8 } = {}) {
  const wanted = asked.trim().toLowerCase();
  if (wanted === "") return [];
  const { rowOf } = model.antigens;
  const { lost } = model;
  const every = [...rowOf.keys(), ...[...lost.keys()].filter((name) => !rowOf.has(name))];
  const exact = every.filter((name) => name.toLowerCase() === wanted);
  const near = every.filter((name) => name.toLowerCase() !== wanted && name.toLowerCase().startsWith(wanted)).sort();
  return [...exact, ...near].slice(0, limit).map((name) => ({ name, row: rowOf.get(name), reason: lost.get(name) }));
}

function answer(model, { name, row, reason }) {
  if (row === undefined) return el("li", {}, el("b", {}, name), " ", el("span", { class: "lost" }, reason));
  const rank = model.antigens.value(row, "rank");
  return el("li", {}, el("a", { href: linkTo(name, "antigen") }, name), " ", pill(model.antigens.value(row, "safety_class")), " ",
    el("span", { class: "lost" }, rank === null ? "scored, not ranked" : `rank ${countText(rank)} of ${countText(model.antigens.n)}`));
}

/** Wire the search field. */
export function wireSearch(model) {
  const field = byId("why-field");
  const list = byId("why-answers");
  const update = () => {
    const found = explain(model, field.value);
    const none = field.value.trim() !== "" && found.length === 0;
    list.replaceChildren(...found.map((one) => answer(model, one)),
      ...(none ? [el("li", {}, el("b", {}, field.value.trim()), " ", el("span", { class: "lost" }, "is in none of the files of this run under this name: not measured, or spelt otherwise."))] : []));
  };
  field.addEventListener("input", update);
}
