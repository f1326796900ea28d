// Any gate of two antigens that the file holds evidence on: its row is made when it is asked for.

import { el, byId, linkTo, names, fractionText, countText } from "./dom.js";
import { gainsOf } from "./argument.js";
import { gateText } from "./gate.js";

/** A table of one row for a gate that the tables do not hold; null if there is no evidence on it. */
export function ownTable(model, text) {
  const { argument, antigens } = model;
  const found = argument?.find(text);
  if (!found || found.symbols.length < 2) return null;
  const result = argument.current();
  const row = argument.details(result, found);
  const of = (symbols, name) => symbols.map((symbol) => antigens.value(antigens.rowOf.get(symbol), name));
  const sensed = found.shape.sensed.map((letter) => found.symbols[letter]);
  const together = (name) => [...new Set(of(sensed, name).flatMap(names))].join(", ");
  const { listed } = argument;
  const twin = listed.rows.find((_, g) => listed.gates[g].shape.text === found.shape.text); // built alike
  Object.assign(row, { gate: text, n_antigens: found.symbols.length, is_protein_known: of(found.symbols, "is_protein_known").every(Boolean), control: "",
    cell_types_unmeasured: together("cell_types_unmeasured"), tissues_thin: together("tissues_thin"),
    hardware: twin === undefined ? null : model.gates.told(twin, "hardware"), failure: twin === undefined ? null : model.gates.told(twin, "failure") }, gainsOf(result, found, row));
  const columns = model.gates.columns.map((column) => ({ ...column, get: () => row[column.name] ?? null, told: () => row[column.name] ?? null }));
  const by = Object.fromEntries(columns.map((column) => [column.name, column]));
  return { name: "gates", isOwn: true, n: 1, columns, by, key: by.gate, rowOf: new Map([[text, 0]]), value: (_, name) => row[name] ?? null, told: (_, name) => row[name] ?? null };
}

/** Wire the form that builds a gate. */
export function wireOwn(model) {
  const form = byId("own-form"), first = byId("own-a"), second = byId("own-b"), operator = byId("own-op"), note = byId("own-note");
  const symbols = [...model.argument.ev.symbols];
  byId("own-names").replaceChildren(...symbols.map((symbol) => el("option", { value: symbol })));
  const clean = (field) => { const typed = field.value.trim(); return symbols.find((symbol) => symbol === typed) ?? symbols.find((symbol) => symbol.toLowerCase() === typed.toLowerCase()) ?? null; };
  const draw = () => {
    const [a, b] = [clean(first), clean(second)];
    if (!a || !b || a === b) {
      note.replaceChildren(first.value && second.value ? (a && a === b ? "Two different antigens, please." : `No evidence in this file on ${!a ? first.value.trim() : second.value.trim()}.`) : `Any two of ${countText(symbols.length)} antigens; the page of the gate opens at once.`);
      return null;
    }
    const text = gateText(a, operator.value, b);
    const row = model.gates.rowOf.has(text) ? { table: model.gates, i: model.gates.rowOf.get(text) } : { table: ownTable(model, text), i: 0 };
    const value = (name) => row.table.value(row.i, name);
    note.replaceChildren(el("b", {}, `${text}: `), `${value("safety_class")}, coverage ${fractionText(value("coverage"))}, liability ${fractionText(value("liability")) || "unknown"}${value("liability_population") ? ` in ${value("liability_population")}` : ""}${row.table.isOwn ? "; not among the gates of this file" : ""}.`);
    return text;
  };
  for (const field of [first, second, operator]) field.addEventListener("input", draw);
  form.addEventListener("submit", (event) => { event.preventDefault(); const text = draw(); if (text) location.hash = linkTo(text, "gate"); });
  byId("own").hidden = false;
  draw();
  return draw;
}
