// Counted: who carries both antigens, who only one, and what another threshold would have said.

import { el, pill, fractionText, countText, signed } from "./dom.js";
import { thresholdText } from "./words.js";
import { KINDS, NOT, ANY, countsOf, judgeOf, placeName } from "./judge.js";

const COMBINATIONS = [[true, true], [true, false], [false, true], [false, false]];
const hits = (op, x, y) => (op === ANY ? x || y : op === NOT ? x && !y : x && y);

/** Observations of some populations by what they carry: [both, first only, second only, neither]. */
export function crossed(ev, threshold, { a, b }, rows) {
  const of = (first, second, op) => { const counts = countsOf(ev, threshold, first, second, op); return rows.reduce((sum, p) => sum + counts[p], 0); };
  // inside a bulk sample a blocker is not believed, so that "A without B" cannot be asked for there: subtract instead
  const one = of(a, a, ANY), two = of(b, b, ANY), both = of(a, b, 1);
  const all = rows.reduce((sum, p) => sum + ev.populations[p].n_observations, 0);
  return [both, one - both, two - both, all - one - two + both];
}

function columnsOf(ev, result, found, name) {
  const tumors = ev.populations.map((_, p) => p).filter((p) => p < ev.n_tumor);
  const columns = [{ label: ev.isCells ? "malignant cells" : "tumour samples", rows: tumors, side: "tumor" }];
  const wanted = new Set([name, placeName(ev, result.antigenWhere(found.a)), placeName(ev, result.antigenWhere(found.b))]);
  ev.populations.forEach((place, p) => {
    const isKnown = [found.a, found.b].every((row) => ev.arrays.measured[row * ev.P + p]);
    if (p >= ev.n_tumor && wanted.has(place.population) && isKnown) columns.push({ label: place.population, rows: [p], side: "normal" });
  });
  if (columns.length < 3) {
    const carried = (p) => Math.max(...[found.a, found.b].map((row) => result.now.members.fraction[row * ev.P + p]));
    const rest = ev.populations.map((_, p) => p).filter((p) => p >= ev.n_tumor && !columns.some((column) => column.rows.includes(p)) && [found.a, found.b].every((row) => ev.arrays.measured[row * ev.P + p]));
    rest.sort((x, y) => (ev.populations[y].weight - ev.populations[x].weight) || carried(y) - carried(x));
    for (const p of rest.slice(0, 3 - columns.length)) columns.push({ label: ev.populations[p].population, rows: [p], side: "normal" });
  }
  return columns;
}

/** The truth table of a gate of two antigens with the observations behind each line. */
export function truthTable(model, found, liabilityPlace) {
  const { argument } = model;
  const { ev } = argument;
  const result = argument.now ?? (argument.base ??= argument.evaluate(argument.start));
  const about = { now: result.now, antigenWhere: (row) => result.single.where[row] };
  const columns = columnsOf(ev, about, found, liabilityPlace).map((column) => ({ ...column, counts: crossed(ev, result.settings.threshold, found, column.rows) }));
  const [first, second] = found.symbols;
  const sign = (has) => el("td", { class: has ? "has" : "lacks" }, has ? "+" : "−");
  return el("table", { class: "plain truth" }, el("thead", {}, el("tr", {}, [first, second].map((symbol) => el("th", { scope: "col" }, symbol)), el("th", { scope: "col" }, "Gate"),
    columns.map((column) => el("th", { scope: "col", class: "num" }, column.label)))),
  el("tbody", {}, COMBINATIONS.map(([x, y], line) => el("tr", { class: hits(found.op, x, y) ? "fires" : null }, sign(x), sign(y),
    el("td", {}, hits(found.op, x, y) ? "hits" : "spares"), columns.map((column) => {
      const total = column.counts.reduce((sum, one) => sum + one, 0);
      return el("td", { class: "num" }, countText(column.counts[line]), " ", el("small", {}, total ? fractionText(column.counts[line] / total) : ""));
    })))));
}

/** What each threshold says of a gate. */
export function sweepTable(model, found) {
  const { argument } = model;
  const { ev, start } = argument;
  argument.sweeps ??= new Map();
  const settings = argument.now?.settings ?? start;
  const lines = ev.thresholds.map((_, threshold) => {
    const key = JSON.stringify([threshold, settings.tiers, settings.tolerated]);
    if (!argument.sweeps.has(key)) {
      if (argument.sweeps.size > 8) argument.sweeps.clear();
      argument.sweeps.set(key, judgeOf(ev)({ ...settings, threshold }));
    }
    const one = argument.sweeps.get(key).one(found.a, found.b, found.op);
    const isOwn = threshold === settings.threshold;
    return el("tr", { class: isOwn ? "this" : null }, el("th", { scope: "row" }, thresholdText(ev, threshold), isOwn && el("small", {}, argument.now ? "as argued" : "this run")), el("td", {}, pill(KINDS[one.kind])),
      el("td", { class: "num" }, fractionText(one.coverage)), el("td", { class: "num" }, one.liability === null ? "–" : fractionText(one.liability)), el("td", {}, placeName(ev, one.where) ?? ""), el("td", { class: "num" }, signed(one.selectivity)));
  });
  return el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ["Positive from", "Safety", "Coverage", "Liability", "Where", "Selectivity"].map((title, i) =>
    el("th", { scope: "col", class: i === 2 || i === 3 || i === 5 ? "num" : null }, title)))), el("tbody", {}, lines));
}
