// The argument: the run's tables judged again under a reader's settings. Holds no page.

import { readGate, membersOf, ALONE, SHAPES_OF_TWO } from "./gate.js";
import { openEvidence } from "./counted.js";
import { judgeOf, placeName, behind, evidenceOf, KINDS } from "./judge.js";
import { redundantOf, aroundOf, rankRows, ideasOf } from "./rerank.js";
import { detailsOf, exposureOf } from "./details.js";

const LARGER = 3; // as cartarget.report.embed numbers the shapes
const NEGATIVE = ["housekeeping", "intracellular", "random"];

/** What closes each row of a table (cartarget.report.closing), as tissues of the evidence; a function of the row. */
const closingOf = (arrays, name) => (row) => Array.from(arrays[`${name}.closing`].subarray(arrays[`${name}.closing_at`][row], arrays[`${name}.closing_at`][row + 1]));

/** Open the evidence of a report for argument. `tables` are its antigens and gates. */
export function openArgument(block, { antigens, gates, run }) {
  const ev = openEvidence(block);
  const { arrays } = block;
  const rowsOf = (n, test) => Array.from({ length: n }, (_, i) => i).filter(test);
  const [a, b, op] = ["a", "b", "op"].map((name) => arrays[`gate.${name}`]);
  const own = arrays["antigen.row"], closingGate = closingOf(arrays, "gate"), closingAntigen = closingOf(arrays, "antigen");
  const inPair = (row) => ({ ...(a[row] === b[row] ? { shape: ALONE, rows: [a[row]] } : { shape: SHAPES_OF_TWO[op[row]], rows: [a[row], b[row]] }), closing: closingGate(row) });
  const listOf = (rows, read) => ({ rows, gates: rows.map(read) });
  const isLarger = (row) => op[row] === LARGER;
  const ofAny = (row) => { const { shape, symbols } = readGate(gates.key.told(row)); return { shape, rows: symbols.map((symbol) => ev.rowOf.get(symbol)), closing: closingGate(row) }; };
  const listed = listOf(rowsOf(gates.n, (i) => op[i] >= 0), (row) => (isLarger(row) ? ofAny(row) : inPair(row)));
  const alone = listOf(rowsOf(antigens.n, (i) => own[i] >= 0), (row) => ({ shape: ALONE, rows: [own[row]], closing: closingAntigen(row) }));
  const closing = [];
  for (const { rows: [row], closing: tissues } of alone.gates) closing[row] = tissues;
  const judge = judgeOf(ev, closing);
  const tie = (name, list) => Int32Array.from(list.rows, (row) => arrays[name][row]);
  const isNegative = (table, row) => NEGATIVE.includes(table.value(row, "control"));
  const score = new Float64Array(ev.n).fill(Infinity);
  alone.rows.forEach((row, i) => {
    const known = antigens.value(row, "surface_score");
    if (known !== null && antigens.value(row, "surface_status") === "surface") score[alone.gates[i].rows[0]] = known;
  });
  const ties = { gates: tie("gate.tie", listed), antigens: tie("antigen.tie", alone) };
  const negative = { gates: listed.rows.map((row) => isNegative(gates, row)), antigens: alone.rows.map((row) => isNegative(antigens, row)) };
  const placeOf = { gates: new Map(listed.rows.map((row, g) => [row, g])), antigens: new Map(alone.rows.map((row, g) => [row, g])) };
  const start = { threshold: ev.base, floor: run.thresholds.coverage_floor ?? 0.5, surface: run.config?.surface?.min_score ?? 0, tolerated: [],
    tiers: Object.fromEntries(Object.entries(ev.reference).map(([tier, both]) => [tier, { ...both }])) };

  const { isListable, support } = supportOf({ gates, antigens, listed, symbols: ev.symbols });

  const evaluate = (settings) => {
    const now = judge(settings);
    const single = now.singles();
    const lone = now.gates(alone.gates);
    const gated = now.gates(listed.gates);
    const others = aroundOf(ev.thresholds, settings.threshold, ev.isCells).map((threshold) => judge({ ...settings, threshold }));
    const firm = { gates: others.reduce((kind, other) => other.worse(listed.gates, kind), gated.kind), antigens: others.reduce((kind, other) => other.worse(alone.gates, kind), lone.kind) };
    const firmAlone = others.reduce((kind, other) => other.worseSingles(kind), single.kind);
    const redundant = redundantOf(listed.gates, { judged: gated, firm: firm.gates }, { alone: single, firmAlone }, ev.gain);
    listed.rows.forEach((row, g) => { if (isLarger(row)) redundant[g] = Number(gates.told(row, "is_redundant") === true); }); // its parts are not judged again
    const enough = ({ rows }) => rows.every((row) => score[row] >= settings.surface);
    const competes = Array.from(redundant, (is, g) => !is && !negative.gates[g] && enough(listed.gates[g]));
    const ranked = { gates: rankRows(gated, { firm: firm.gates, tie: ties.gates, competes }),
      antigens: rankRows(lone, { firm: firm.antigens, tie: ties.antigens, competes: alone.rows.map((_, g) => !negative.antigens[g] && enough(alone.gates[g])) }) };
    const ideas = ideasOf(ranked.gates.order, { rank: ranked.gates.rank, judged: gated, firm: firm.gates, gates: listed.gates, gain: ev.gain, isListable, support: (g) => support[g] });
    const standing = new Float64Array(ev.n).fill(Infinity);
    ranked.antigens.order.forEach((g, place) => { standing[alone.gates[g].rows[0]] = place; });
    return { symbols: ev.symbols, standing, settings, now, single, gates: gated, antigens: lone, redundant, firm, isMoved: others.length > 0, ranked, ideas: ideas.map(({ g, alike }) => ({ row: listed.rows[g], g, alike })) };
  };

  /** What closes a gate of the tables; the window of any other is not known, so that it closes nothing. */
  const closingText = (text) => (gates.rowOf.has(text) ? closingGate(gates.rowOf.get(text)) : antigens.rowOf.has(text) ? closingAntigen(antigens.rowOf.get(text)) : null);

  /** A gate and the rows of the evidence on its antigens; null if it lacks one, or the text is no gate. */
  const held = (text) => {
    const gate = ev.rowOf.has(text) ? { symbols: [text], blockers: new Set(), shape: ALONE, hits: ([has]) => has } : readGate(text);
    return gate?.symbols.every((symbol) => ev.rowOf.has(symbol)) ? { ...gate, rows: gate.symbols.map((symbol) => ev.rowOf.get(symbol)), closing: closingText(text) } : null;
  };

  /** The same for the judge: null for a gate that can hit where it senses nothing. */
  const find = (text) => { const gate = held(text); return gate?.shape ? gate : null; };

  return { ev, evaluate, find, held, start, listed, alone, placeOf, base: null, now: null,
    /** What the page shows: as argued, else as run. */
    current() { return this.now ?? (this.base ??= evaluate(start)); },
    details: (result, gate) => detailsOf(ev, result.now, gate, result.settings),
    exposure: (result, gate) => exposureOf(ev, result.now, gate) };
}

const LEAST_WINDOW = 1; // log2

/** What the shortlist asks of a gate beside its class, and how well each is supported; none of it moves with a reader's settings. */
function supportOf({ gates, antigens, listed, symbols }) {
  const isTreated = (symbol) => antigens.rowOf.has(symbol) && antigens.told(antigens.rowOf.get(symbol), "is_treated") === true;
  const marked = (row, word) => ["mark_membrane", "mark_cells", "mark_protein"].filter((name) => gates.by[name] && gates.told(row, name) === word).length;
  const support = listed.rows.map((row, g) => marked(row, "yes") - marked(row, "no")
    + new Set(listed.gates[g].shape.sensed.map((letter) => symbols[listed.gates[g].rows[letter]]).filter(isTreated)).size);
  const isListable = (g) => (gates.told(listed.rows[g], "window") ?? -1) >= LEAST_WINDOW && !gates.told(listed.rows[g], "contaminant") && gates.by.mark_membrane?.told(listed.rows[g]) !== "partly" && gates.by.mark_cells?.told(listed.rows[g]) !== "no";
  return { isListable, support };
}

/** Columns that are reckoned for a row when it is asked for. */
const detailed = (ev) => ["coverage_lower", "coverage_upper", "coverage_median", "coverage_p10", "liability_upper", "liability_upper_population", "liability_origin",
  "liability_origin_upper", "liability_origin_population", "selectivity_origin", "is_safety_known", "tissues_broken", "tissues_unresolved", "tissues_unmeasured",
  "protein_veto", "liability_naive", "liability_trans", "tissues_explained", "people_over_cap", "people_n", "people_population", "people_share_lower", "people_share_upper",
  ev.isCells ? "coverage_cells" : "coverage_samples"];

/** What the tables show instead of the run's numbers, column by column; a function of the row. */
export function overrides(argument, result, name) {
  const list = name === "gates" ? argument.listed : argument.alone;
  const judged = result[name], place = argument.placeOf[name], { rank } = result.ranked[name];
  const memo = new Map();
  const detail = (field) => (row) => {
    const g = place.get(row);
    if (g === undefined) return null;
    if (!memo.has(g)) memo.set(g, argument.details(result, list.gates[g]));
    return memo.get(g)[field] ?? null;
  };
  const of = (read) => (row) => { const g = place.get(row); return g === undefined ? null : read(g); };
  const known = (value) => (Number.isNaN(value) ? null : value);
  const quick = {
    rank: of((g) => (rank[g] < 0 ? null : rank[g])), safety_class: of((g) => KINDS[judged.kind[g]]), coverage: of((g) => judged.coverage[g]),
    liability: of((g) => known(judged.liability[g])), liability_population: of((g) => placeName(argument.ev, judged.where[g])), liability_evidence: of((g) => evidenceOf(argument.ev, judged.where[g])),
    liability_n_donors: of((g) => behind(argument.ev, judged.where[g], "n_donors")), liability_n_observations: of((g) => behind(argument.ev, judged.where[g], "n_observations")),
    selectivity: of((g) => judged.selectivity[g]), is_eligible: of((g) => judged.isEligible[g] === 1),
    liability_n_positive: () => null, is_firm: of((g) => (result.isMoved ? result.firm[name][g] === judged.kind[g] : null)), class_half: () => null, class_twice: () => null, coverage_twice: () => null,
  };
  const slow = detailed(argument.ev);
  const all = { ...quick, ...Object.fromEntries(slow.map((field) => [field, detail(field)])) };
  if (name === "antigens") return all;
  return { ...all, is_redundant: of((g) => result.redundant[g] === 1), ...gains(result, list, of) };
}

/** The best of a gate's members as they rank alone; undefined for a single antigen. */
export const bestMember = ({ standing }, gate) => membersOf(gate).reduce((x, y) => (x === undefined || standing[y] < standing[x] ? y : x), undefined);

/** What a gate adds to its best member, judged alike. */
export function gainsOf(result, gate, { coverage, liability, selectivity }) {
  const m = bestMember(result, gate), { single } = result;
  if (m === undefined) return {};
  const gain = single.liability[m] - (liability ?? NaN);
  return { best_member: result.symbols[m], gain_coverage: coverage - single.coverage[m], gain_liability: Number.isNaN(gain) ? null : gain, gain_selectivity: selectivity - single.selectivity[m] };
}

function gains({ gates: judged, ...result }, list, of) {
  const gain = (name) => of((g) => (list.gates[g].rows.length > 2 ? null : gainsOf(result, list.gates[g], { coverage: judged.coverage[g], liability: judged.liability[g], selectivity: judged.selectivity[g] })[name] ?? null));
  return Object.fromEntries(["best_member", "gain_coverage", "gain_liability", "gain_selectivity"].map((name) => [name, gain(name)]));
}
