// Two to four candidates side by side: the scores, then every tissue with the strongest evidence on each.

import { el, byId, pill, show, fractionText, levelText, linkTo, plural } from "./dom.js";
import { hatched, intervalBar, levelBar, STAINS } from "./charts.js";
import { groupTissues, isBlank, isKnown, harm, worstOf, TIERS } from "./tissues.js";

export const MOST = 4;
const SCORES = ["rank", "coverage", "liability", "liability_population", "liability_upper", "liability_origin", "window", "selectivity",
  "is_eligible", "is_protein_known", "tissues_unresolved", "tissues_unmeasured", "cells_malignant", "cells_normal"];

/** The address that opens a comparison. */
export const compareLink = (list) => `#compare=${list.map(encodeURIComponent).join(",")}`;

/** The names that an address asks to compare. */
export function comparedNames(text) {
  return text.split(",").filter(Boolean).map((part) => { try { return decodeURIComponent(part); } catch { return part; } }).slice(0, MOST);
}

/** The table that holds a name; null if none does. */
const tableOf = (model, name) => [model.antigens, model.gates].find((table) => table?.rowOf.has(name)) ?? null;

/** Which of some values is best; none where all are alike or unknown. */
export function bestOf(values, better) {
  const known = values.filter((value) => typeof value === "number").map((value) => Math.round(value * 100) / 100);
  if (!better || known.length < 2 || Math.min(...known) === Math.max(...known)) return null;
  return better === "lower" ? Math.min(...known) : Math.max(...known);
}

function scoreRow(found, name) {
  const column = found.map(({ table }) => table.by[name]).find(Boolean);
  const values = found.map(({ table, row }) => table.value(row, name));
  if (!column || values.every((value) => value === null || value === "")) return null;
  const best = name === "rank" ? null : bestOf(values, column.better);
  const said = (value, i) => (name === "rank" && new Set(found.map(({ table }) => table.name)).size > 1 ? `${show(value, column)} of the ${found[i].table.name}` : show(value, column));
  return el("tr", {}, el("th", { scope: "row", title: column.meaning }, column.title), values.map((value, i) =>
    el("td", {}, value === null || value === "" ? el("span", { class: "unknown" }, "–") : el(best !== null && show(value, column) === show(best, column) ? "b" : "span", {}, said(value, i)))));
}

function exposureCell(tissue, threshold) {
  const measured = tissue.rows.filter(isKnown);
  if (measured.length === 0) return el("td", { class: "missing" }, hatched(), el("small", {}, "not measured"));
  const worst = worstOf(tissue);
  const stain = measured.filter((row) => row.evidence === "protein" && row.level > 0).sort((a, b) => b.level - a.level)[0];
  const protein = stain && worst !== stain ? ` · stain ${STAINS[stain.level]}` : "";
  if (worst.fraction !== null) {
    return el("td", {}, intervalBar(worst), el("small", {}, `${fractionText(worst.fraction)}${worst.cell_type ? ` ${worst.cell_type}` : ""}${worst.is_thin ? " · thin" : ""}${protein}`));
  }
  if (worst.evidence === "protein") return el("td", {}, el("small", {}, `stain ${STAINS[worst.level]}, RNA not measured`));
  return el("td", {}, levelBar(worst.level ?? 0, { threshold, is_hit: worst.upper > 0 }), el("small", {}, `${levelText(worst.level)} ${worst.unit}${protein}`));
}

function tissueGroups(model, found) {
  const threshold = model.run.thresholds.bulk ?? null;
  const columns = found.map(({ rows }) => new Map(groupTissues(model.run, rows).map((tissue) => [tissue.tissue, tissue])));
  const every = [...new Set(columns.flatMap((column) => [...column.keys()]))].map((name) => columns.map((column) => column.get(name) ?? { tissue: name, rows: [] }));
  const size = (row) => Math.max(...row.map((tissue) => Math.max(-1, ...tissue.rows.filter(isKnown).map(harm))));
  return Object.keys(TIERS).map((tier) => {
    const rows = every.filter((row) => (row.find((tissue) => tissue.tier)?.tier ?? "") === tier);
    const told = rows.filter((row) => !row.every(isBlank)).sort((a, b) => size(b) - size(a));
    const blank = rows.filter((row) => row.every(isBlank)).map((row) => row[0].tissue);
    return rows.length === 0 ? null : el("tbody", {},
      el("tr", { class: "tier" }, el("th", { scope: "colgroup", colspan: found.length + 1 }, TIERS[tier])),
      told.map((row) => el("tr", {}, el("th", { scope: "row" }, row[0].tissue, row[0].is_origin && el("span", { class: "mark-words" }, el("span", { class: "mark-word" }, "origin"))),
        row.map((tissue) => exposureCell(tissue, threshold)))),
      blank.length > 0 && el("tr", { class: "unmeasured" }, el("th", { scope: "row" }, plural(blank.length, "tissue")),
        el("td", { class: "missing", colspan: found.length }, el("div", { class: "blank-line" }, hatched(), el("div", {}, el("b", {}, "not measured: "), blank.join(", "))))));
  });
}

/** Draw the comparison of some names; a name that the file does not hold is said. */
export function drawComparison(model, list) {
  const found = list.map((name) => ({ name, table: tableOf(model, name) })).filter(({ table }) => table)
    .map(({ name, table }) => ({ name, table, row: table.rowOf.get(name), rows: model.exposure(name) }));
  const lost = list.filter((name) => !tableOf(model, name));
  const head = el("tr", {}, el("th", { scope: "col" }, el("span", { class: "hidden" }, "What")), found.map(({ name, table, row }) => el("th", { scope: "col" },
    el("a", { href: linkTo(name, table.name === "antigens" ? "antigen" : "gate") }, name), " ", pill(table.value(row, "safety_class")))));
  return [el("div", { class: "card-head" }, el("p", { class: "eyebrow" }, "Side by side"), el("h2", { id: "card-title", tabindex: "-1" }, plural(found.length, "candidate")),
    lost.length > 0 && el("p", { class: "note" }, `Not in this file: ${lost.join(", ")}.`)),
  found.length > 0 && el("table", { class: "tissues compare" }, el("thead", {}, head), el("tbody", {}, SCORES.map((name) => scoreRow(found, name))), tissueGroups(model, found)),
  el("p", { class: "note" }, "Bold is best of the row. A tissue shows its worst counted population; where nothing is counted, the summary's level.")].filter(Boolean);
}

/** Keep the tray of pinned names: a button in the bar, and one in the card. */
export function wireTray() {
  const pins = [];
  const tray = byId("compare-open"), toggle = byId("card-compare");
  let shown = null;
  const refresh = () => {
    tray.hidden = pins.length === 0;
    tray.textContent = `Compare ${pins.length}`;
    const isIn = pins.includes(shown);
    toggle.hidden = shown === null;
    toggle.setAttribute("aria-pressed", String(isIn));
    toggle.textContent = isIn ? "In comparison" : "Add to comparison";
    toggle.disabled = !isIn && pins.length >= MOST;
    toggle.title = toggle.disabled ? `A comparison holds ${MOST}` : "";
  };
  toggle.addEventListener("click", () => {
    if (pins.includes(shown)) pins.splice(pins.indexOf(shown), 1);
    else pins.push(shown);
    refresh();
  });
  tray.addEventListener("click", () => { location.hash = compareLink(pins); });
  refresh();
  return { show: (name) => { shown = name; refresh(); }, hold: (list) => { pins.splice(0, pins.length, ...list); shown = null; refresh(); } };
}
