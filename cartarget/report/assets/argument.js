// The argument: the run's tables judged again under a reader's settings. Holds no page.

import { readGate, shapeOf } from "./gate.js";
import { openEvidence, judgeOf, placeName, behind, NOT, KINDS } from "./judge.js";
import { redundantOf, rankRows, ideasOf } from "./rerank.js";
import { detailsOf, exposureOf } from "./details.js";

const NEGATIVE = ["housekeeping", "intracellular", "random"];

function listOf(rows, a, b, op) {
  return { rows, a: Int32Array.from(rows, (row) => a[row]), b: Int32Array.from(rows, (row) => b[row]), op: Int8Array.from(rows, (row) => op[row]) };
}

/** Open the evidence of a report for argument. `tables` are its antigens and gates. */
export function openArgument(block, { antigens, gates, run }) {
  const ev = openEvidence(block);
  const judge = judgeOf(ev);
  const { arrays } = block;
  const rowsOf = (n, test) => Array.from({ length: n }, (_, i) => i).filter(test);
  const pairs = listOf(rowsOf(gates.n, (i) => arrays["gate.op"][i] >= 0), arrays["gate.a"], arrays["gate.b"], arrays["gate.op"]);
  const own = arrays["antigen.row"];
  const alone = { rows: rowsOf(antigens.n, (i) => own[i] >= 0), a: null, b: null, op: null };
  alone.a = Int32Array.from(alone.rows, (row) => own[row]);
  alone.b = alone.a;
  alone.op = new Int8Array(alone.a.length);
  const tie = (name, list) => Int32Array.from(list.rows, (row) => arrays[name][row]);
  const isNegative = (table, row) => NEGATIVE.includes(table.value(row, "control"));
  const votes = new Float64Array(ev.n).fill(Infinity);
  alone.rows.forEach((row, i) => {
    const known = antigens.value(row, "n_votes");
    if (known !== null && antigens.value(row, "surface_status") !== "rescued") votes[alone.a[i]] = known;
  });
  const ties = { gates: tie("gate.tie", pairs), antigens: tie("antigen.tie", alone) };
  const negative = { gates: pairs.rows.map((row) => isNegative(gates, row)), antigens: alone.rows.map((row) => isNegative(antigens, row)) };
  const placeOf = { gates: new Map(pairs.rows.map((row, g) => [row, g])), antigens: new Map(alone.rows.map((row, g) => [row, g])) };
  const start = { threshold: ev.base, floor: run.thresholds.coverage_floor ?? 0.5, votes: 0, tolerated: [],
    tiers: Object.fromEntries(Object.entries(ev.reference).map(([tier, both]) => [tier, { ...both }])) };

  const evaluate = (settings) => {
    const now = judge(settings);
    const single = now.singles();
    const pick = (field) => alone.a.length === ev.n && alone.a.every((row, i) => row === i) ? single[field] : single[field].constructor.from(alone.a, (row) => single[field][row]);
    const lone = Object.fromEntries(Object.keys(single).map((field) => [field, pick(field)]));
    const gated = now.gates(pairs);
    const redundant = redundantOf(pairs, gated, single, ev.gain);
    const enough = (row) => votes[row] >= settings.votes;
    const competes = Array.from(redundant, (is, g) => !is && !negative.gates[g] && enough(pairs.a[g]) && enough(pairs.b[g]));
    const ranked = { gates: rankRows(gated, { tie: ties.gates, competes }),
      antigens: rankRows(lone, { tie: ties.antigens, competes: alone.rows.map((_, g) => !negative.antigens[g] && enough(alone.a[g])) }) };
    const ideas = ideasOf(ranked.gates.order, { rank: ranked.gates.rank, kind: gated.kind, list: pairs });
    return { symbols: ev.symbols, settings, now, single, gates: gated, antigens: lone, redundant, ranked, ideas: ideas.map(({ g, alike }) => ({ row: pairs.rows[g], g, alike })) };
  };

  /** Rows of the evidence on each antigen of a gate; null if it lacks one, or the text is no gate. */
  const held = (text) => {
    const gate = ev.rowOf.has(text) ? { symbols: [text], blockers: new Set(), hits: ([has]) => has } : readGate(text);
    return gate?.symbols.every((symbol) => ev.rowOf.has(symbol)) ? { ...gate, rows: gate.symbols.map((symbol) => ev.rowOf.get(symbol)) } : null;
  };

  /** The same as the judge takes it: two rows and a shape; null for a gate of more than two antigens. */
  const find = (text) => {
    const gate = held(text), shape = gate && shapeOf(gate);
    if (!shape) return null;
    const [a, b] = shape.slice(0, 2).map((symbol) => ev.rowOf.get(symbol));
    return { a, b, op: shape[2], symbols: [...new Set(shape.slice(0, 2))] };
  };

  return { ev, evaluate, find, held, start, pairs, alone, placeOf, base: null, now: null,
    /** What the page shows: as argued, else as run. */
    current() { return this.now ?? (this.base ??= evaluate(start)); },
    details: (result, { a, b, op }) => detailsOf(ev, result.now, a, b, op, result.settings),
    exposure: (result, { a, b, op }) => exposureOf(ev, result.now, a, b, op) };
}

/** What the tables show instead of the run's numbers, column by column; a function of the row. */
export function overrides(argument, result, name) {
  const list = name === "gates" ? argument.pairs : argument.alone;
  const judged = result[name], place = argument.placeOf[name], { rank } = result.ranked[name];
  const memo = new Map();
  const detail = (field) => (row) => {
    const g = place.get(row);
    if (g === undefined) return null;
    if (!memo.has(g)) memo.set(g, argument.details(result, { a: list.a[g], b: list.b[g], op: list.op[g] }));
    return memo.get(g)[field] ?? null;
  };
  const of = (read) => (row) => { const g = place.get(row); return g === undefined ? null : read(g); };
  const known = (value) => (Number.isNaN(value) ? null : value);
  const quick = {
    rank: of((g) => (rank[g] < 0 ? null : rank[g])), safety_class: of((g) => KINDS[judged.kind[g]]), coverage: of((g) => judged.coverage[g]),
    liability: of((g) => known(judged.liability[g])), liability_population: of((g) => placeName(argument.ev, judged.where[g])),
    liability_n_donors: of((g) => behind(argument.ev, judged.where[g], "n_donors")), liability_n_observations: of((g) => behind(argument.ev, judged.where[g], "n_observations")),
    selectivity: of((g) => judged.selectivity[g]), is_eligible: of((g) => judged.isEligible[g] === 1),
  };
  const slow = ["coverage_lower", "coverage_upper", "coverage_median", "coverage_p10", "liability_upper", "liability_upper_population", "liability_origin",
    "liability_origin_upper", "liability_origin_population", "selectivity_origin", "is_safety_known", "tissues_broken", "tissues_unresolved", "tissues_unmeasured",
    "protein_veto", "liability_naive"];
  const all = { ...quick, ...Object.fromEntries(slow.map((field) => [field, detail(field)])) };
  if (name === "antigens") return all;
  return { ...all, is_redundant: of((g) => result.redundant[g] === 1), ...gains(result, list, of) };
}

/** The better of two antigens alone: by class, then by selectivity. */
export const betterOf = (single, a, b) => (single.kind[b] < single.kind[a] || (single.kind[b] === single.kind[a] && single.selectivity[b] > single.selectivity[a]) ? b : a);

/** What each gate adds to its best member, judged alike. */
function gains(result, list, of) {
  const { gates, single } = result;
  const best = (g) => betterOf(single, list.a[g], list.op[g] === NOT ? list.a[g] : list.b[g]);
  const isPair = (g) => list.a[g] !== list.b[g];
  const gain = (read) => of((g) => { const value = isPair(g) ? read(g, best(g)) : null; return Number.isNaN(value) ? null : value; });
  return {
    best_member: of((g) => (isPair(g) ? result.symbols[best(g)] : null)),
    gain_coverage: gain((g, m) => gates.coverage[g] - single.coverage[m]), gain_liability: gain((g, m) => single.liability[m] - gates.liability[g]),
    gain_selectivity: gain((g) => gates.selectivity[g] - Math.max(single.selectivity[list.a[g]], single.selectivity[list.b[g]])),
  };
}
