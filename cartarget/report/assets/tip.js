// One floating note: what a column means, what a point is. Follows focus as well as the pointer.

import { el, byId } from "./dom.js";

/** Show a note beside a box of the page. */
export function showTip(content, box) {
  const tip = byId("tip");
  tip.replaceChildren(...[content].flat());
  tip.hidden = false;
  const { width, height } = tip.getBoundingClientRect();
  const below = box.bottom + 8 + height < innerHeight;
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - width - 12))}px`;
  tip.style.top = `${below ? box.bottom + 8 : Math.max(8, box.top - height - 8)}px`;
}

export function hideTip() {
  byId("tip").hidden = true;
}

const RANGES = { fraction: "0 to 1", flag: "yes or no", count: "whole number", number: "any number" };

/** Explain a column at its header: meaning, unit, range, direction, formula. */
export function describe(head, column) {
  if (head.dataset.described) return;
  head.dataset.described = "yes";
  const direction = column.better ? `${column.better} is better` : "";
  const facts = [column.unit, RANGES[column.kind], direction].filter(Boolean).join(" · ");
  const note = () => [el("strong", {}, column.title), el("p", {}, column.meaning), facts && el("p", { class: "facts" }, facts),
    column.formula && el("p", { class: "formula" }, column.formula)].filter(Boolean);
  const show = () => showTip(note(), head.getBoundingClientRect());
  head.setAttribute("aria-description", `${column.meaning}. ${facts}`);
  for (const event of ["pointerenter", "focusin"]) head.addEventListener(event, show);
  for (const event of ["pointerleave", "focusout"]) head.addEventListener(event, hideTip);
}
