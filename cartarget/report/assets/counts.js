// Counted: who carries both antigens, who only one, and what another threshold would have said.

import { el, pill, fractionText, countText, signed } from "./dom.js";
import { combinations } from "./gate.js";
import { thresholdText } from "./words.js";
import { popcount } from "./counted.js";
import { KINDS, judgeOf, placeName } from "./judge.js";
import { thresholdCurve } from "./curve.js";

/** Observations of some populations by which of the antigens `rows` they carry, in the order of `combinations`. */
export function crossed(ev, threshold, rows, populations) {
  const { W, S, starts, owner } = ev;
  const words = ev.arrays[`words.${threshold}`];
  const n = rows.length, counts = new Array(2 ** n).fill(0), wanted = new Set(populations);
  // how many carry at least the antigens of a mask; a blocker is counted like any other antigen
  for (let mask = 1; mask < counts.length; mask += 1) {
    const chosen = rows.filter((_, i) => (mask >> (n - 1 - i)) & 1);
    for (let s = 0; s < S; s += 1) {
      if (!wanted.has(owner[s])) continue;
      for (let w = starts[s]; w < starts[s + 1]; w += 1) counts[mask] += popcount(chosen.reduce((bits, row) => bits & words[row * W + w], -1));
    }
  }
  counts[0] = populations.reduce((sum, p) => sum + ev.populations[p].n_observations, 0);
  // exactly these: take away those that carry one more, antigen by antigen
  for (let i = 0; i < n; i += 1) for (let mask = 0; mask < counts.length; mask += 1) if (!((mask >> i) & 1)) counts[mask] -= counts[mask | (1 << i)];
  return counts.reverse();
}

const COLUMNS = 3; // populations beside the tumour

/** The tumour, the places where the gate and its members are worst, and the heaviest others, as far as all antigens are measured there. */
function columnsOf(ev, result, rows, worst) {
  const { base } = result.now.about;
  const isKnown = (p) => rows.every((row) => base.measured[row * ev.P + p]);
  const normal = ev.populations.map((_, p) => p).filter((p) => p >= ev.n_tumor && isKnown(p));
  const named = new Set([worst, ...rows.map((row) => placeName(ev, result.single.where[row]))]);
  const first = normal.filter((p) => named.has(ev.populations[p].population));
  const carried = (p) => Math.max(...rows.map((row) => base.fraction[row * ev.P + p]));
  const rest = normal.filter((p) => !first.includes(p)).sort((x, y) => ev.populations[y].weight - ev.populations[x].weight || carried(y) - carried(x));
  const shown = [...first, ...rest].slice(0, Math.max(first.length, COLUMNS - 1)).slice(0, COLUMNS);
  return [{ label: ev.isCells ? "malignant cells" : "tumour samples", rows: Array.from({ length: ev.n_tumor }, (_, p) => p) },
    ...shown.map((p) => ({ label: ev.populations[p].population, rows: [p] }))];
}

/** The truth table of a gate with the observations behind each line. */
export function truthTable(model, { symbols, rows, hits }, worst) {
  const { argument } = model;
  const { ev } = argument;
  const result = argument.current();
  const columns = columnsOf(ev, result, rows, worst).map((column) => ({ ...column, counts: crossed(ev, result.settings.threshold, rows, column.rows) }));
  const sign = (has) => el("td", { class: has ? "has" : "lacks" }, has ? "+" : "−");
  return el("table", { class: "plain truth" }, el("thead", {}, el("tr", {}, symbols.map((symbol) => el("th", { scope: "col" }, symbol)), el("th", { scope: "col" }, "Gate"),
    columns.map((column) => el("th", { scope: "col", class: "num" }, column.label)))),
  el("tbody", {}, combinations(symbols.length).map((has, line) => el("tr", { class: hits(has) ? "fires" : null }, has.map(sign),
    el("td", {}, hits(has) ? "hits" : "spares"), columns.map(({ counts }) => {
      const total = counts.reduce((sum, one) => sum + one, 0);
      return el("td", { class: "num" }, countText(counts[line]), " ", el("small", {}, total ? fractionText(counts[line] / total) : ""));
    })))));
}

/** The run's own curve of an antigen over more thresholds than the file can judge at; null where there is none. */
export function curveOf(curves, [symbol], { thresholds, base }) {
  const curve = curves?.antigens?.[symbol];
  return curve ? curves.thresholds.map((at, i) => ({ at, text: String(at), coverage: curve.coverage[i], liability: curve.liability[i], isOwn: at === thresholds[base] })) : null;
}

/** What each threshold says of a gate; of an antigen as a curve too. */
export function sweepTable(model, found) {
  const { argument } = model;
  const { ev, start } = argument;
  argument.sweeps ??= new Map();
  const settings = argument.now?.settings ?? start;
  const points = [];
  const lines = ev.thresholds.map((at, threshold) => {
    const key = JSON.stringify([threshold, settings.tiers, settings.tolerated]);
    if (!argument.sweeps.has(key)) {
      if (argument.sweeps.size > 8) argument.sweeps.clear();
      argument.sweeps.set(key, judgeOf(ev)({ ...settings, threshold }));
    }
    const one = argument.sweeps.get(key).one(found);
    const isOwn = threshold === settings.threshold;
    points.push({ at, text: thresholdText(ev, threshold), coverage: one.coverage, liability: one.liability, isOwn });
    return el("tr", { class: isOwn ? "this" : null }, el("th", { scope: "row" }, thresholdText(ev, threshold), isOwn && el("small", {}, argument.now ? "as argued" : "this run")), el("td", {}, pill(KINDS[one.kind])),
      el("td", { class: "num" }, fractionText(one.coverage)), el("td", { class: "num" }, one.liability === null ? "–" : fractionText(one.liability)), el("td", {}, placeName(ev, one.where) ?? ""), el("td", { class: "num" }, signed(one.selectivity)));
  });
  const stored = argument.now ? null : curveOf(model.run.curves, found.symbols, ev);
  return [found.symbols.length === 1 && thresholdCurve(stored ?? points, ev.unit), el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ["Positive from", "Safety", "Coverage", "Liability", "Where", "Selectivity"].map((title, i) =>
    el("th", { scope: "col", class: i === 2 || i === 3 || i === 5 ? "num" : null }, title)))), el("tbody", {}, lines))];
}
