// The evidence strip: five marks that a meeting asks of every gate, each with its reason.

import { el, fractionText, names, plural } from "./dom.js";
import { readGate } from "./gate.js";

const MARK_SIGNS = { yes: "✓", partly: "~", no: "✗", unknown: "?" };

/** Where a class is worse than at the threshold itself, in words: "unknown at half". */
export const movedText = (value) => [["class_half", "half"], ["class_twice", "twice"]].filter(([column]) => value(column) && value(column) !== value("safety_class"))
  .map(([column, words]) => `${value(column)} at ${words}`).join(", ");

/** A strip of marks: [{ title, mark, reason }]. */
export const stripOf = (marks) => el("span", { class: "strip" }, marks.map(({ title, mark, reason }) => el("span", { class: `mark mark-${mark}`, title: `${title}: ${reason || mark}` },
  el("i", { "aria-hidden": "true" }, MARK_SIGNS[mark]), title, el("span", { class: "hidden" }, `: ${mark}. ${reason ?? ""}`))));

/** Antigens that a gate senses. */
const sensedOf = (name) => { const gate = readGate(name); return gate ? gate.symbols.filter((symbol) => !gate.blockers.has(symbol)) : [name]; };

function proteinReason(value) {
  const stained = value("n_protein_stained") && `${Math.round(value("protein_stained") * value("n_protein_stained"))} of ${plural(value("n_protein_stained"), "patient")} stain`;
  const found = value("n_protein_ratio") && `found by mass spectrometry in ${plural(value("n_protein_ratio"), "tumour")}`;
  const bound = value("antibody_malignant") !== null && value("antibody_malignant") !== undefined && `${fractionText(value("antibody_malignant"))} of the malignant cells bind an antibody`;
  return [stained, found, bound].filter(Boolean).join("; ") || "no protein was measured in tumours";
}

/** Why no malignant cell speaks for a gate, and what the levels over tumours hint at. */
function cellsUncounted(value) {
  const r = value("members_r");
  return value("mark_cells") === "no" && r !== null ? `over tumours its antigens run against each other (r ${r.toFixed(2)}): likely in different cells` : value("cells_note") || "no malignant cells were counted";
}

function thresholdMark({ run }, value) {
  const title = "thresholds", isFirm = value("is_firm"), twice = value("coverage_twice");
  if (isFirm === null) return { title, mark: "unknown", reason: "the threshold cannot be moved" };
  const isThin = isFirm && twice !== null && twice < (run.thresholds.coverage_floor ?? 0.5);
  const moved = [["class_half", "half"], ["class_twice", "twice"]].filter(([column]) => value(column)).map(([column, words]) => `${value(column)} at ${words} the threshold`);
  return { title, mark: isThin ? "partly" : isFirm ? "yes" : "no", reason: [...moved, ...(isThin ? [`coverage ${fractionText(twice)} there`] : [])].join("; ") };
}

function cohortMark(model, name) {
  const marks = { holds: "yes", uncertain: "partly", drops: "no" }, { replication } = model;
  for (let i = 0; replication && i < replication.n; i += 1) {
    const mark = replication.value(i, "gate") === name && marks[replication.value(i, "verdict")];
    if (mark) return { mark, reason: `${replication.value(i, "atlas")}: coverage ${fractionText(replication.value(i, "coverage_second"))} in ${plural(replication.value(i, "n_patients_second"), "patient")}` };
  }
  return { mark: "unknown", reason: "no second cohort measured it" };
}

/** The marks of a row of a table, with the reasons that its columns and those of its antigens give. */
export function marksOf(model, table, i) {
  const { antigens } = model, value = (column) => table.value(i, column), name = table.key.get(i);
  if (!table.by.mark_membrane || value("mark_membrane") === null) return [];
  const members = sensedOf(name).filter((symbol) => antigens.rowOf.has(symbol));
  const told = (read) => members.map((symbol) => `${symbol}: ${read((column) => antigens.value(antigens.rowOf.get(symbol), column))}`).join("; ");
  const malignant = value("coverage_cells") ?? value("cells_malignant");
  return [
    { title: "membrane", mark: value("mark_membrane"), reason: told((column) => column("surface_reason") ?? "no surface evidence") },
    { title: "cells", mark: value("mark_cells"), reason: malignant === null ? cellsUncounted(value) : `${fractionText(malignant)} of the malignant cells that were counted` },
    { title: "protein", mark: value("mark_protein"), reason: told(proteinReason) },
    thresholdMark(model, value),
    { title: "cohort", ...cohortMark(model, name) },
  ];
}

/** The strip of a card, and under it every reason. */
export function evidenceStrip(model, table, i) {
  const marks = marksOf(model, table, i);
  if (marks.length === 0) return null;
  return el("div", { class: "card-strip" }, stripOf(marks), el("details", { class: "more" }, el("summary", {}, "Reasons"),
    el("dl", { class: "caveats" }, marks.map(({ title, mark, reason }) => [el("dt", {}, title), el("dd", {}, el("b", {}, mark), reason ? `: ${reason}.` : "")]))));
}

/** What speaks against an antigen or the antigens of a gate: harm that nothing measured, another cell type's signal, what a gene is. */
export function nameCaveats(model, table, i) {
  const { antigens } = model, value = (column) => table.value(i, column);
  const members = sensedOf(table.key.get(i)).filter((symbol) => antigens.rowOf.has(symbol));
  const each = (column) => members.map((symbol) => [symbol, antigens.value(antigens.rowOf.get(symbol), column)]).filter(([, text]) => text).map(([symbol, text]) => (members.length > 1 ? `${symbol}: ${text}` : text)).join("; ");
  return [
    value("harm_unmeasured") && ["Harm on record", `${names(value("harm_unmeasured")).join(", ")}: severe, in an organ that nothing measured. The class is unknown at best.`],
    each("contaminant") && ["Whose signal?", `${each("lineage_note")}.`],
    each("gene_note") && ["What it is", `${each("gene_note")}.`],
  ].filter(Boolean);
}
