// Normal tissues of one antigen or gate: one row a tissue, one column a kind of evidence, vital first.

import { el, fractionText, rangeText, levelText, plural, countText } from "./dom.js";
import { hatched, intervalBar, levelBar, stainSquares, STAINS } from "./charts.js";

export const EVIDENCE = {
  cells: "Single cells", samples: "Bulk samples", summary: "Tissue summary", protein: "Antibody stain",
};
export const TIERS = {
  vital: "Vital", important: "Important", tolerable: "Tolerable", ignored: "Ignored", "": "No tier",
};
const tierOrder = Object.keys(TIERS);

/** Tissues in the order in which they are read: tier, then required, then the worst that is known. */
export function groupTissues(run, rows) {
  const found = new Map(run.tissues.map((tissue) => [tissue.tissue, { ...tissue, tier: tissue.tier ?? "", rows: [] }]));
  for (const row of rows.filter((one) => one.side === "normal")) {
    const name = row.tissue || row.population;
    if (!found.has(name)) found.set(name, { tissue: name, tier: row.tier, is_origin: row.is_origin, required: false, rows: [] });
    found.get(name).rows.push(row);
  }
  const worst = (tissue) => Math.max(-1, ...tissue.rows.filter(isKnown).map(harm));
  return [...found.values()].sort((a, b) => tierOrder.indexOf(a.tier) - tierOrder.indexOf(b.tier)
    || Number(Boolean(b.required)) - Number(Boolean(a.required)) || worst(b) - worst(a) || (a.tissue < b.tissue ? -1 : 1));
}

/** A row that says something; a stain without a grade does not. */
export const isKnown = (row) => row.is_present && row.is_measured && (row.evidence !== "protein" || row.level !== null);

export const harm = (row) => row.fraction ?? (row.evidence === "protein" ? (row.level ?? 0) / 3 : row.upper);

/** The row that speaks for a tissue: the worst of what is counted, else of summaries, else of stains; undefined if nothing is known. */
export function worstOf(tissue) {
  const known = tissue.rows.filter(isKnown);
  const counted = known.filter((row) => row.fraction !== null), levels = known.filter((row) => row.evidence !== "protein");
  const from = [counted, levels, known].find((rows) => rows.length > 0) ?? [];
  return from.toSorted((a, b) => harm(b) - harm(a) || (b.level ?? 0) - (a.level ?? 0))[0];
}

function entry(label, bar, value, note) {
  return el("div", { class: "entry" }, label && el("span", { class: "entry-label" }, label), el("span", { class: "entry-bar" }, bar),
    el("span", { class: "entry-value" }, value), note && el("span", { class: "entry-note" }, note));
}

const UNITS = { cells: ["cell"], nuclei: ["nucleus", "nuclei"], samples: ["sample"] };

/** Observations of a row in the words of its assay. */
export const observed = (n, { assay, evidence }) => plural(n, ...(UNITS[assay] ?? UNITS[evidence] ?? ["sample"]));

/** People whose own tissue breaks the cap, of all of a place; nothing where none does. */
export const peopleText = (over, n) => (over > 0 && n ? `${countText(over)} of ${plural(n, "person", "people")} over the cap` : null);

const FULL = 0.995; // power from which a number needs no word
const MORE = 0.005; // difference between cis and trans that is worth a word

const beside = (row) => [row.power !== null && row.power < FULL && `seen in ${fractionText(row.power)} of the ${row.assay === "nuclei" ? "nuclei" : "cells"} that carry it`,
  peopleText(row.evidence === "cells" ? row.people : null, row.n_donors),
  row.evidence === "cells" && row.trans !== null && row.fraction !== null && row.trans - row.fraction >= MORE && `trans ${fractionText(row.trans)}`].filter(Boolean);

const counted = (row) => [row.n_donors !== null && plural(row.n_donors, "donor"),
  row.n_observations !== null && row.n_observations !== row.n_donors && observed(row.n_observations, row), row.is_thin && "thin", ...beside(row)].filter(Boolean).join(" · ");

const byCells = (row) => row.decided === "cells" && row.evidence !== "cells";
const BY_CELLS = "shown only: the cells decide";

function countedEntry(row, label) {
  if (!row.is_measured) return entry(label, hatched(), el("span", { class: "unknown" }, "not measured"));
  return entry(label, intervalBar(row), [el("b", {}, row.fraction === null ? "?" : fractionText(row.fraction)), " ",
    el("small", {}, rangeText(row.lower, row.upper))], [counted(row), byCells(row) && BY_CELLS].filter(Boolean).join(" · "));
}

function summaryEntry(row, label, threshold) {
  if (!row.is_measured || row.level === null && row.upper >= 1) return entry(label, hatched(), el("span", { class: "unknown" }, byCells(row) ? BY_CELLS : row.is_measured ? "unresolved" : "not measured"));
  const hit = row.upper > 0;
  return entry(label, levelBar(row.level ?? 0, { threshold, is_hit: hit }),
    [el("b", {}, row.level === null ? "" : levelText(row.level)), " ", el("small", {}, row.unit)], byCells(row) ? BY_CELLS : hit ? "detected: any share of its cells" : "below the level");
}

function proteinEntry(rows) {
  const measured = rows.filter(isKnown);
  if (measured.length === 0) return entry(null, hatched(), el("span", { class: "unknown" }, "not measured"));
  const worst = measured.reduce((a, b) => (b.level > a.level ? b : a));
  const strongest = [...measured].sort((a, b) => b.level - a.level).slice(0, SQUARES);
  return entry(null, stainSquares(strongest),
    el("b", {}, STAINS[worst.level] ?? ""), [worst.level > 0 || measured.length === 1 ? worst.cell_type : plural(measured.length, "cell type"), measured.some(byCells) && BY_CELLS].filter(Boolean).join(" · "));
}

const SQUARES = 7; // stained cell types of one tissue that are drawn, the strongest first

const region = ({ tissue, population }) => (population.startsWith(`${tissue} (`) ? population.slice(tissue.length + 2, -1) : null);
const SHOWN = 6; // cell types or regions of one tissue that stand open

function cellOf(tissue, evidence, { threshold, atlases }) {
  const rows = tissue.rows.filter((row) => row.evidence === evidence && row.is_present);
  if (rows.length === 0) return el("td", { class: "missing" }, entry(null, hatched(), el("span", { class: "unknown" }, "not measured")));
  if (evidence === "protein") return el("td", {}, proteinEntry(rows));
  const sorted = [...rows].sort((a, b) => Number(b.is_measured) - Number(a.is_measured) || harm(b) - harm(a) || (b.level ?? 0) - (a.level ?? 0));
  const lines = sorted.map((row) => {
    const label = row.cell_type || region(row) || (atlases[evidence].size > 1 ? row.atlas : sorted.length > 1 ? row.population : null);
    return evidence === "summary" ? summaryEntry(row, label, threshold) : countedEntry(row, label);
  });
  const open = evidence === "summary" ? Math.max(1, sorted.filter((row) => row.upper > 0).length) : SHOWN;
  if (lines.length <= open + 1) return el("td", {}, lines);
  return el("td", {}, lines.slice(0, open), el("details", { class: "more" },
    el("summary", {}, `${plural(lines.length - open, "more", "more")}, ${sorted[open].is_measured ? "none higher" : "not measured"}`), lines.slice(open)));
}

export const isBlank = (tissue) => !tissue.rows.some(isKnown);
const MANY = 4; // tissues without any measurement that share one line

function blankRow(tissues, kinds) {
  const list = (words, some) => some.length > 0 && el("div", {}, el("b", {}, words), some.map((tissue) => tissue.tissue).join(", "));
  return el("tr", { class: "unmeasured" }, el("th", { scope: "row" }, plural(tissues.length, "tissue")),
    el("td", { class: "missing", colspan: kinds.length }, el("div", { class: "blank-line" }, el("span", { class: "entry-bar" }, hatched()),
      el("div", {}, list("required, not measured: ", tissues.filter((tissue) => tissue.required)),
        list("not measured: ", tissues.filter((tissue) => !tissue.required))))));
}

function tissueRow(tissue, kinds, about) {
  const marks = [tissue.is_origin && el("span", { class: "mark-word" }, "origin"), tissue.required && el("span", { class: "mark-word" }, "required")];
  return el("tr", { class: isBlank(tissue) ? "unmeasured" : null }, el("th", { scope: "row" }, tissue.tissue, el("span", { class: "mark-words" }, marks)),
    kinds.map((kind) => cellOf(tissue, kind, about)));
}

/** The table of normal tissues of one gate. */
export function tissueTable(run, rows) {
  const normal = rows.filter((row) => row.side === "normal");
  const kinds = Object.keys(EVIDENCE).filter((kind) => normal.some((row) => row.evidence === kind && row.is_present));
  const atlases = Object.fromEntries(kinds.map((kind) => [kind, new Set(normal.filter((row) => row.evidence === kind).map((row) => row.atlas))]));
  if (kinds.length === 0) return el("p", { class: "empty" }, "No normal tissue is measured: nothing can be said about safety.");
  const about = { threshold: run.thresholds.bulk ?? null, atlases };
  const tissues = groupTissues(run, rows);
  const body = [];
  for (const tier of tierOrder) {
    const members = tissues.filter((tissue) => (TIERS[tissue.tier] ? tissue.tier : "") === tier);
    if (members.length === 0) continue;
    const blank = members.filter(isBlank);
    const missing = blank.length;
    const single = missing < MANY ? members : members.filter((tissue) => !isBlank(tissue));
    body.push(el("tbody", {}, el("tr", { class: "tier" }, el("th", { scope: "colgroup", colspan: kinds.length + 1 }, TIERS[tier],
      el("small", {}, `${plural(members.length, "tissue")}${missing ? `, ${countText(missing)} not measured` : ""}`))),
    single.map((tissue) => tissueRow(tissue, kinds, about)), single.length < members.length && blankRow(blank, kinds)));
  }
  return el("table", { class: kinds.length === 1 ? "tissues single" : "tissues" }, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Tissue"),
    kinds.map((kind) => el("th", { scope: "col" }, EVIDENCE[kind], " ", el("small", {}, [...atlases[kind]].join(", ")))))), body);
}
