// All that a card says of one gate, from counted evidence: the columns of its row, and its exposure place by place. Pure.

import { MISSING } from "./payload.js";
import { posterior, studentRatio } from "./special.js";
import { askGate, countIn, hasBit } from "./counted.js";
import { KINDS, COUNTED, BREAKS, UNRESOLVED, BOUNDED, EXPLAINED, behind, evidenceOf, exposuresOf, highestOf, leakedOf, levelOf, peopleOver, placeName, worstPlace } from "./judge.js";
import { medianOf } from "./known.js";

const listed = (names) => [...new Set(names)].sort().join(", ");

const EXACT = 1e-9; // what sums of fractions may differ by

/** Equal-tailed interval of a fraction over n effective observations. */
export function interval(fraction, n) {
  if (n <= 0) return [0, 1];
  return [fraction <= EXACT ? 0 : posterior(fraction, n, 0.025), fraction >= 1 - EXACT ? 1 : posterior(fraction, n, 0.975)];
}

/** Observations that a gate hits, per segment; `believed`: a blocker blocks in samples too. */
function countsOf(ev, base, gate, believed = false) {
  const out = new Int32Array(ev.S);
  for (let p = 0; p < ev.P; p += 1) {
    const asked = askGate(ev, base, gate, p, { believed });
    for (let s = ev.first[p]; asked && s < ev.first[p + 1]; s += 1) out[s] = countIn(ev, base.words, asked, s);
  }
  return out;
}

const summed = (ev, counts, read) => { const out = new Float64Array(ev.P); counts.forEach((count, s) => { out[ev.owner[s]] += read(count, s); }); return out; };

/** Effective number of observations of one gate per population, from its own spread over donors (evidence.intervals.effective_rows). */
function effectiveOf(ev, { weight, n, spread: centre }, counts) {
  const { P, owner, sizes, donors, prior_donors: prior } = ev;
  const mean = summed(ev, counts, (count, s) => count * weight[s]);
  const spread = new Float64Array(P), kish = new Float64Array(P), total = new Float64Array(P), binomial = new Uint8Array(P).fill(1);
  counts.forEach((k, s) => {
    const p = owner[s], alone = donors[s] === 1, m = mean[p];
    const share = alone ? weight[s] * sizes[s] : weight[s];
    const scale = share < 1 - 1e-9 ? weight[s] ** 2 / (1 - share) : 0;
    spread[p] += scale * (alone ? (k - sizes[s] * m) ** 2 : k * (1 - m) ** 2 + (sizes[s] - k) * m ** 2);
    kish[p] += (alone ? 1 : sizes[s]) * share ** 2;
    total[p] += sizes[s];
    if (alone && sizes[s] > 1) binomial[p] = 0;
  });
  return mean.map((m, p) => {
    if (binomial[p] || n[p] >= total[p] - 1e-9) return n[p];
    const variance = m * (1 - m);
    const ratio = variance > 1e-12 ? (spread[p] * n[p]) / variance : 1;
    const drawn = (own) => (own * ratio + prior * centre[p]) / (own + prior);
    let freedom = Math.min(Math.max(1 / Math.max(kish[p], 1e-12) - 1, 0), 4 * n[p] * variance);
    if (drawn(freedom) > 1) freedom = Math.min(freedom, (2 * n[p] * variance) / drawn(freedom));
    return Math.min((n[p] / drawn(freedom)) * studentRatio(freedom + prior), total[p]);
  });
}

/** Fraction that carries one antigen of a conjunction whose others are present in the tissue; never below what one cell meets. */
function transOf(ev, { base, present, T }, { shape, rows }, low) {
  const out = Float64Array.from(low);
  for (const { plain } of shape.parts.filter((part) => part.plain.length > 1)) {
    for (let p = ev.n_tumor; p < ev.P; p += 1) {
      if (!ev.cells[p]) continue;
      for (const letter of plain) {
        const isPrimed = plain.every((other) => other === letter || present[rows[other] * T + ev.ofPopulation[p]]);
        if (isPrimed) out[p] = Math.max(out[p], base.corrected[rows[letter] * ev.P + p]);
      }
    }
  }
  return out;
}

/** One gate held against everything, with what only a card asks. */
function weighed(ev, now, gate) {
  const { about } = now, found = now.one(gate);
  const counts = countsOf(ev, about.base, gate), effective = effectiveOf(ev, about.base, counts);
  const { marks, low } = found.room;
  for (let p = 0; p < ev.n_tumor; p += 1) { marks[p] = COUNTED | BOUNDED; low[p] = found.counted.low[p]; }
  const states = ev.units.map((_, u) => ["exposed", "open", "unknown"].find((name) => hasBit(found.room[name], u)) ?? "below");
  return { ...found, about, marks, low, states, hits: summed(ev, counts, (count) => count), spread: effective.map((n, p) => (marks[p] & COUNTED ? n : about.base.n[p])),
    isComplete: (p) => found.counted.parts.every(({ state }) => state[p] & 1),
    high: (p) => Math.max(highestOf(gate, found.counted, p), low[p], leakedOf(ev, about, gate, p)),
    naive: summed(ev, countsOf(ev, about.base, gate, true), (count, s) => count * about.base.weight[s]), trans: transOf(ev, about, gate, low) };
}

const isCapped = (ev, about, p) => p >= ev.n_tumor && about.populations[p].cap < 1;

function levelIn(gate, array, width, column) {
  const code = levelOf(gate, array, width, column);
  return code === MISSING ? null : 2 ** (code / 256) - 1;
}

/** Exposure of one gate, a row a place, shaped as the report's stored rows are. */
export function exposureOf(ev, now, gate) {
  const { P, n_tumor: nTumor } = ev, one = weighed(ev, now, gate), { about } = one;
  const isSingle = gate.shape.sensed.length === 1;
  const counted = ev.populations.map((place, p) => {
    const isNormal = p >= nTumor, isExplained = (one.marks[p] & EXPLAINED) > 0, isComplete = one.isComplete(p), isTold = (one.marks[p] & COUNTED) > 0;
    const shown = isExplained ? one.naive[p] : one.low[p];
    const [lower] = interval(shown, one.spread[p]), [, upper] = interval(Math.max(one.high(p), shown), one.spread[p]);
    const naive = ev.samples[p] && isComplete ? one.naive[p] : null;
    return { ...place, evidence: place.kind, unit: "CPM", side: isNormal ? "normal" : "tumor", decided: isExplained ? "cells" : place.kind,
      is_present: true, is_measured: isTold || (one.marks[p] & BOUNDED) > 0, level: isSingle ? levelIn(gate, ev.arrays.level, P, p) : null, naive,
      trans: ev.samples[p] ? naive : ev.cells[p] && isComplete ? one.trans[p] : null, power: ev.cells[p] ? Math.min(...gate.shape.sensed.map((letter) => about.base.power[gate.rows[letter] * P + p])) : null,
      people: isComplete && isCapped(ev, about, p) ? peopleOver(ev, about, gate, p) : null,
      fraction: !isComplete ? null : isNormal ? medianOf(about, p, shown) : shown,
      lower: isTold || isExplained ? lower : 0, upper: one.marks[p] & BOUNDED ? upper : 1, n_positive: isComplete ? one.hits[p] : null };
  });
  const bounded = ev.units.map((unit, u) => {
    const isExplained = hasBit(one.room.unitExplained, u), isMeasured = one.states[u] !== "unknown" || isExplained;
    const level = isMeasured ? levelIn(gate, ev.arrays.value, ev.units.length, u) : null;
    return { ...unit, side: "normal", is_present: true, is_measured: isMeasured, is_thin: false, fraction: null, lower: 0, naive: null, trans: null, power: null, people: null,
      assay: unit.evidence, decided: isExplained ? "cells" : unit.evidence, upper: one.states[u] === "below" && !isExplained ? 0 : 1,
      level: unit.evidence === "protein" && level !== null ? Math.round(level) : level, n_observations: null, n_donors: null, n_positive: null };
  });
  return [...counted, ...bounded];
}

/** Weight × upper bound over the places of one side (outside the origin, or within it), and who sets it. */
function boundOf(ev, gate, one, isInside) {
  const { about } = one, found = [];
  for (let p = ev.n_tumor; p < ev.P; p += 1) {
    const place = about.populations[p];
    if (ev.isOrigin[p] !== isInside) continue;
    if (!(one.marks[p] & BOUNDED)) { if (place.is_required) found.push([place.weight, p]); }
    else if (!(one.marks[p] & EXPLAINED) && place.weight > 0) found.push([place.weight * posterior(one.high(p), one.spread[p], 0.95), p]);
  }
  about.units.forEach((unit, u) => {
    if (hasBit(ev.unitOrigin, u) !== (isInside === 1) || !(unit.weight > 0)) return;
    const isOpen = (one.states[u] === "open" && unit.cap < 1) || (one.states[u] === "unknown" && ev.rna[u] && unit.is_required);
    if (one.states[u] === "exposed" || isOpen) found.push([unit.weight, ev.P + u]);
  });
  ev.places.forEach((place, r) => { if (place.isOrigin === (isInside === 1) && hasBit(one.room.undecided, r)) found.push([1, ev.P + ev.units.length + r]); });
  return worstPlace(ev, gate, found);
}

/** Where the largest share of people is over the cap, outside the origin: how many of how many, and the interval of the share. */
function peopleRow(ev, gate, one) {
  let worst = null;
  for (let p = ev.n_tumor; p < ev.P; p += 1) {
    if (!isCapped(ev, one.about, p) || ev.isOrigin[p]) continue;
    const n = ev.populations[p].n_donors, over = one.marks[p] & COUNTED ? peopleOver(ev, one.about, gate, p) : -1;
    const share = over > 0 ? posterior(over / Math.max(n, 1), n, 0.5) : over;
    if (worst === null || share > worst.share + EXACT) worst = { share, over, n, p };
  }
  if (worst === null || worst.over < 0) return {};
  const [lower, upper] = interval(worst.over / Math.max(worst.n, 1), worst.n);
  return { people_over_cap: worst.over, people_n: worst.n, people_population: worst.over > 0 ? placeName(ev, worst.p) : null, people_share_lower: lower, people_share_upper: upper };
}

/** The worst of weight × posterior median of fractions in populations outside the origin that may decide. */
function heaviest(ev, { about, marks }, fractions, test) {
  let worst = null;
  for (let p = ev.n_tumor; p < ev.P; p += 1) if (about.decides[p] && !ev.isOrigin[p] && marks[p] & COUNTED && test(p)) worst = Math.max(worst ?? 0, about.weight[p] * medianOf(about, p, fractions[p]));
  return worst;
}

const middleOf = (values) => { const sorted = values.sort(), at = sorted.length >> 1; return sorted.length % 2 ? sorted[at] : (sorted[at - 1] + sorted[at]) / 2; };

/** The columns of a gate's row that follow from evidence and settings. */
export function detailsOf(ev, now, gate, { floor }) {
  const one = weighed(ev, now, gate), { about } = one;
  const outside = boundOf(ev, gate, one, 0), inside = boundOf(ev, gate, one, 1), origin = worstPlace(ev, gate, exposuresOf(ev, about, one.room, 1));
  const tissuesOf = (mark) => ev.populations.filter((_, p) => p >= ev.n_tumor && one.marks[p] & mark && (mark === EXPLAINED || about.populations[p].cap < 1)).map(({ tissue }) => tissue);
  const unitsOf = (test) => ev.units.filter((_, u) => test(u)).map(({ tissue }) => tissue);
  const isBroken = (u) => one.states[u] === "exposed" && about.units[u].cap < 1;
  const patients = ev.populations.slice(0, ev.n_tumor).reduce((sum, place) => sum + place.n_donors, 0);
  const [lower, upper] = interval(one.coverage, patients), most = (value, least) => (value === null ? least : Math.max(value, least ?? 0));
  const trans = heaviest(ev, one, one.trans, () => true);
  return {
    safety_class: KINDS[one.kind], is_eligible: one.coverage >= floor - EXACT, coverage: one.coverage, coverage_lower: lower, coverage_upper: upper,
    coverage_median: ev.isCells ? middleOf(one.low.slice(0, ev.n_tumor)) : null, coverage_p10: ev.isCells ? one.reach : null, [ev.isCells ? "coverage_cells" : "coverage_samples"]: one.coverage,
    n_patients: patients, n_patients_thin: ev.isCells ? ev.populations.slice(0, ev.n_tumor).filter((place) => place.is_thin).length : null,
    liability: one.liability, liability_population: placeName(ev, one.where), liability_evidence: evidenceOf(ev, one.where),
    liability_n_donors: behind(ev, one.where, "n_donors"), liability_n_observations: behind(ev, one.where, "n_observations"), liability_upper: most(outside.value, one.liability),
    liability_upper_population: placeName(ev, outside.where), liability_origin: origin.value, liability_origin_population: placeName(ev, origin.where),
    liability_origin_upper: most(inside.value, origin.value), selectivity: one.selectivity, selectivity_origin: one.reach - Math.max(one.liability ?? 0, origin.value ?? 0),
    liability_naive: heaviest(ev, one, one.naive, (p) => ev.samples[p] && gate.rows.every((row) => about.base.measured[row * ev.P + p])), liability_trans: trans === null ? one.liability : Math.max(trans, one.liability ?? 0), ...peopleRow(ev, gate, one),
    is_safety_known: one.isKnown, tissues_broken: listed([...tissuesOf(BREAKS), ...unitsOf(isBroken)]), protein_veto: listed(unitsOf((u) => isBroken(u) && ev.units[u].evidence === "protein")),
    tissues_unresolved: listed([...tissuesOf(UNRESOLVED), ...unitsOf((u) => one.states[u] === "open" && about.units[u].cap < 1)]),
    tissues_explained: listed([...tissuesOf(EXPLAINED), ...unitsOf((u) => hasBit(one.room.unitExplained, u))]), tissues_unmeasured: listed(ev.required.filter((_, r) => hasBit(one.room.undecided, r))),
  };
}
