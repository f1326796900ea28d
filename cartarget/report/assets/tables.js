// The antigen table and the gate table: which columns, which presets, how a cell is dressed.

import { el, pill, linkTo, names, byId } from "./dom.js";
import { makeGrid } from "./grid.js";

const ANTIGENS = ["rank", "symbol", "safety_class", "coverage", "liability", "liability_population", "window", "selectivity",
  "liability_origin", "is_protein_known", "n_votes"];
const GATES = ["rank", "gate", "safety_class", "coverage", "liability", "liability_population", "window", "selectivity",
  "gain_selectivity", "gain_liability", "cells_malignant", "cells_normal"];

function dresser(table, kind) {
  return (node, column, value, row) => {
    if (column.name === "safety_class" && value) node.replaceChildren(pill(value));
    else if (column.name === "symbol" || column.name === "gate") {
      const control = table.value(row, "control");
      node.replaceChildren(el("a", { href: linkTo(value, kind) }, value), ...(control ? [el("small", { class: "tag" }, control)] : []));
    } else if (typeof value === "string" && value.length > 24) node.title = value;
    else if (value === null || value === "") node.classList.add("none");
  };
}

const some = (table, test) => Array.from({ length: table.n }, (_, i) => i).some(test);

function presetsOf(table, vital) {
  const value = (i, name) => table.value(i, name);
  const broken = (i) => names(value(i, "tissues_broken")).some((name) => vital.has(name.split(/\s*[·(:]/)[0]));
  const all = [
    { label: "Reaches the tumour", hint: "Coverage at or above the floor of the run", test: (i) => value(i, "is_eligible") === true },
    { label: "No vital tissue broken", hint: "No cap of a vital tissue outside the origin is broken", test: (i) => !broken(i) },
    { label: "Safety known", hint: "Every required tissue is measured and resolved", test: (i) => value(i, "is_safety_known") === true },
    { label: "Protein checked", hint: "A graded antibody stain in every required tissue", test: (i) => value(i, "is_protein_known") === true },
    { label: "Controls", hint: "Clinical targets, housekeeping and intracellular genes, scored beside the candidates",
      test: (i) => Boolean(value(i, "control")) },
  ];
  if (table.name === "antigens") {
    all.splice(1, 0, { label: "On membrane in ≥ 2 sources", hint: "At least two surface votes", test: (i) => (value(i, "n_votes") ?? 0) >= 2 });
  } else {
    all.unshift({ label: "Gains on its members", hint: "Not redundant: a better class or +0.05 in selectivity over every sub-gate",
      test: (i) => value(i, "is_redundant") === false });
  }
  return all.filter(({ test }) => some(table, test) && some(table, (i) => !test(i)));
}

/** Draw both tables; returns their DataTables. */
export function drawTables(model) {
  const vital = new Set(model.run.tissues.filter((tissue) => tissue.tier === "vital" && !tissue.is_origin).map((tissue) => tissue.tissue));
  const inOrder = (table, shown) => ({ ...table,
    columns: [...shown.map((name) => table.by[name]), ...table.columns.filter(({ name }) => !shown.includes(name))] });
  const draw = (id, table, shown, kind) => makeGrid(byId(id), inOrder(table, shown), {
    shown: shown.filter((name) => ["rank", "symbol", "gate", "safety_class"].includes(name) || some(table, (i) => table.value(i, name) !== null)),
    presets: presetsOf(table, vital), cell: dresser(table, kind), noun: kind, run: model.run.name || "run",
    open: (gate) => { location.hash = linkTo(gate, kind); },
  });
  return { antigens: draw("antigen-grid", model.antigens, ANTIGENS, "antigen"), gates: draw("gate-grid", model.gates, GATES, "gate") };
}
