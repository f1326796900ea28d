// The antigen table and the gate table: which columns, which presets, how a cell is dressed.

import { el, pill, linkTo, names, byId } from "./dom.js";
import { readGate } from "./gate.js";
import { makeGrid } from "./grid.js";
import { movedText } from "./marks.js";

const ANTIGENS = ["rank", "symbol", "safety_class", "coverage", "liability", "liability_population", "window", "selectivity",
  "liability_origin", "is_protein_known", "surface_score"];
const GATES = ["rank", "gate", "safety_class", "coverage", "liability", "liability_population", "window", "selectivity",
  "gain_selectivity", "gain_liability", "cells_malignant"];

function dresser(table, kind) {
  return (node, column, value, row) => {
    if (column.name === "safety_class" && value) node.replaceChildren(pill(value, { isFirm: table.value(row, "is_firm"), moved: movedText((name) => table.value(row, name)) }));
    else if (column.name === "symbol" || column.name === "gate") {
      const control = table.value(row, "control");
      node.replaceChildren(el("a", { href: linkTo(value, kind) }, value), ...(control ? [el("small", { class: "tag" }, control)] : []));
    } else if (typeof value === "string" && value.length > 24) node.title = value;
    else if (value === null || value === "") node.classList.add("none");
  };
}

const some = (table, test) => Array.from({ length: table.n }, (_, i) => i).some(test);

/** The antigens of a row, by their rows in the antigen table; those that block are left out where only `sensed` count. */
function rowsBehind(table, antigens) {
  if (table === antigens) return (i) => [i];
  const known = new Map();
  return (i, { sensed = false } = {}) => {
    if (!known.has(i)) {
      const { symbols, blockers } = readGate(table.key.get(i)) ?? { symbols: [], blockers: new Set() };
      known.set(i, symbols.map((symbol) => ({ row: antigens.rowOf.get(symbol), blocks: blockers.has(symbol) })).filter(({ row }) => row !== undefined));
    }
    return known.get(i).filter(({ blocks }) => !sensed || !blocks).map(({ row }) => row);
  };
}

function presetsOf(table, antigens, vital) {
  const value = (i, name) => table.value(i, name);
  const members = rowsBehind(table, antigens);
  const knows = (name) => some(antigens, (i) => ![null, ""].includes(antigens.value(i, name)));
  const every = (rows, test) => rows.length > 0 && rows.every(test);
  const doubtful = (i) => ["tissues_broken", "tissues_unresolved", "tissues_unmeasured"].some((column) => names(value(i, column)).some((name) => vital.has(name.split(/\s*[·(:]/)[0])));
  const all = [
    { label: "Reaches the tumour", hint: "Coverage at or above the floor of the run", test: (i) => value(i, "is_eligible") === true },
    { label: "No vital exposure", hint: "Outside the origin every vital tissue keeps its cap, and none is unresolved or lacks a measurement that is required", test: (i) => !doubtful(i) },
    knows("surface_score") && { label: "Firmly on membrane", hint: "Each antigen was put on the surface by an experiment, or has a surface score of 2 or more", test: (i) => every(members(i), (row) => antigens.value(row, "surface_status") === "experiment" || (antigens.value(row, "surface_score") ?? -1) >= 2) },
    knows("clinical") && { label: "Already in clinic", hint: "Each antigen that it senses is or was the target of a product in patients", test: (i) => every(members(i, { sensed: true }), (row) => Boolean(antigens.value(row, "clinical"))) },
    { label: "Safety known", hint: "Every required tissue is measured and resolved", test: (i) => value(i, "is_safety_known") === true },
    { label: "Protein checked", hint: "A graded antibody stain in every required tissue", test: (i) => value(i, "is_protein_known") === true },
    { label: "Controls", hint: "Clinical targets, housekeeping and intracellular genes, scored beside the candidates",
      test: (i) => Boolean(value(i, "control")) },
  ];
  if (table.name === "gates") {
    all.unshift({ label: "Gains on its members", hint: "Not redundant: a better class or +0.05 in selectivity over every sub-gate",
      test: (i) => value(i, "is_redundant") === false });
  }
  return all.filter(Boolean).filter(({ test }) => some(table, test) && some(table, (i) => !test(i)));
}

/** Draw both tables; returns their DataTables. */
export function drawTables(model) {
  const vital = new Set(model.run.tissues.filter((tissue) => tissue.tier === "vital" && !tissue.is_origin).map((tissue) => tissue.tissue));
  const inOrder = (table, shown) => ({ ...table,
    columns: [...shown.map((name) => table.by[name]), ...table.columns.filter(({ name }) => !shown.includes(name))] });
  const draw = (id, table, shown, kind) => makeGrid(byId(id), inOrder(table, shown), {
    shown: shown.filter((name) => ["rank", "symbol", "gate", "safety_class"].includes(name) || some(table, (i) => table.value(i, name) !== null)),
    presets: presetsOf(table, model.antigens, vital), cell: dresser(table, kind), noun: kind, run: model.run.name || "run",
    open: (gate) => { location.hash = linkTo(gate, kind); },
  });
  return { antigens: draw("antigen-grid", model.antigens, ANTIGENS, "antigen"), gates: draw("gate-grid", model.gates, GATES, "gate") };
}
