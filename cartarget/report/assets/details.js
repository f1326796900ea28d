// All that a card says of one gate, from counted evidence: the columns of its row, and its exposure place by place. Pure.

import { MISSING } from "./payload.js";
import { posterior } from "./special.js";
import { ANY, BOTH, NOT, COUNTED, BOUNDED, UNMEASURED, KINDS, isSure, countsOf, effectiveOf, stateOf, unitWords, undecided, placeName, behind } from "./judge.js";

const has = (words, i) => ((words[i >> 5] >>> (i & 31)) & 1) === 1;
const listed = (names) => [...new Set(names)].sort().join(", ");

/** Equal-tailed interval of a fraction over n effective observations. */
export function interval(fraction, n) {
  if (n <= 0) return [0, 1];
  return [fraction <= 0 ? 0 : posterior(fraction, n, 0.025), fraction >= 1 ? 1 : posterior(fraction, n, 0.975)];
}

/** Below the level, exposed, unresolved or without a value: what each unit says of a gate. */
function unitStates(ev, members, a, b, op) {
  const { exposed, open } = unitWords(ev, members, a, b, op);
  const known = (row, i) => has(ev.known.subarray(row * ev.width, (row + 1) * ev.width), i);
  const maybe = (row, i) => has(members.maybe.subarray(row * ev.width, (row + 1) * ev.width), i);
  return ev.units.map((_, i) => {
    if (has(exposed, i)) return "exposed";
    if (has(open, i)) return "unresolved";
    const valued = op === NOT ? known(a, i) : known(a, i) && known(b, i);
    const absent = op === BOTH && ((known(a, i) && !maybe(a, i)) || (known(b, i) && !maybe(b, i)));
    return valued || absent ? "below" : "no value";
  });
}

function levelOf(ev, row, i) {
  const code = ev.arrays.value[row * ev.units.length + i];
  return code === MISSING ? null : 2 ** (code / 256) - 1;
}

function combined(x, y, op) {
  if (op === NOT) return x;
  if (x === null || y === null) return null;
  return op === ANY ? Math.max(x, y) : Math.min(x, y);
}

/** Exposure of one gate, a row a place, shaped as the report's stored rows are. */
export function exposureOf(ev, now, a, b, op) {
  const { P, n_tumor } = ev;
  const { fractions } = now.one(a, b, op);
  const hits = countsOf(ev, now.about.threshold, a, b, op);
  const spread = effectiveOf(ev, now.about.threshold, { a, b, op });
  const counted = ev.populations.map((place, p) => {
    const { state, fraction } = stateOf(ev, now.members, a, b, op, p, fractions[p]);
    const n = now.about.n[p];
    const [lower, upper] = interval(fraction, state === BOUNDED ? n : spread[p]);
    const code = a === b ? ev.arrays.level[a * P + p] : MISSING;
    return { ...place, evidence: ev.isCells ? "cells" : "samples", atlas: ev.atlas, unit: ev.isCells ? "CP10k" : "CPM", side: p < n_tumor ? "tumor" : "normal",
      is_present: true, is_measured: state !== UNMEASURED, level: code === MISSING ? null : 2 ** (code / 256) - 1, naive: null,
      fraction: state !== COUNTED ? null : p < n_tumor ? fraction : posterior(fraction, n, 0.5),
      lower: isSure(state) ? lower : 0, upper: state === COUNTED || state === BOUNDED ? upper : 1, n_positive: state === COUNTED ? hits[p] : null };
  });
  const states = unitStates(ev, now.members, a, b, op);
  const bounded = ev.units.map((unit, i) => {
    const level = combined(levelOf(ev, a, i), levelOf(ev, b, i), op);
    return { ...unit, side: "normal", is_present: true, is_measured: states[i] !== "no value", is_thin: false, fraction: null, lower: 0, naive: null,
      upper: states[i] === "below" ? 0 : 1, level: states[i] === "no value" ? null : unit.evidence === "protein" && level !== null ? Math.round(level) : level,
      n_observations: null, n_donors: null, n_positive: null };
  });
  return [...counted, ...bounded];
}

/** Weight × upper bound over the places of one side (outside the origin, or within it), and who sets it. */
function bounds(ev, now, { a, b, op, fractions, states, spread, inside }) {
  const { P, n_tumor } = ev;
  let worst = null, where = -1, upper = null, from = -1;
  const raise = (value, place) => { if (upper === null || value > upper) [upper, from] = [value, place]; };
  for (let p = n_tumor; p < P; p += 1) {
    const place = now.about.populations[p];
    if (place.is_origin !== inside) continue;
    const { state, fraction } = stateOf(ev, now.members, a, b, op, p, fractions[p]);
    if (isSure(state) && !place.is_thin) {
      const value = place.weight * posterior(fraction, now.about.n[p], 0.5);
      if (worst === null || value > worst) [worst, where] = [value, p];
    }
    if (place.is_required && state !== COUNTED && state !== BOUNDED) raise(place.weight, p);
    else if (state !== UNMEASURED && !place.is_thin) raise(place.weight * posterior(fraction, state === BOUNDED ? now.about.n[p] : spread[p], 0.95), p);
  }
  now.about.units.forEach((unit, i) => {
    if (unit.is_origin !== inside || unit.cap >= 1) return;
    const isHit = states[i] === "exposed";
    if (isHit && (worst === null || unit.weight > worst)) [worst, where] = [unit.weight, P + i];
    const isOpen = states[i] === "unresolved" || (states[i] === "no value" && unit.evidence === "summary" && unit.is_required);
    if (isHit || isOpen) raise(unit.weight, P + i);
  });
  const open = undecided(ev, now.members, a, b, op);
  ev.required.forEach((tissue, t) => { if (now.about.isOriginTissue[t] === inside && open.includes(tissue)) raise(1, P + ev.units.length + t); });
  return { worst, where, upper: upper === null ? worst : Math.max(upper, worst ?? 0), from };
}

/** The columns of a gate's row that follow from evidence and settings. */
export function detailsOf(ev, now, a, b, op, { floor }) {
  const found = now.one(a, b, op);
  const states = unitStates(ev, now.members, a, b, op);
  const at = { a, b, op, fractions: found.fractions, states, spread: effectiveOf(ev, now.about.threshold, { a, b, op }) };
  const outside = bounds(ev, now, { ...at, inside: false }), inside = bounds(ev, now, { ...at, inside: true });
  const broken = [], unresolved = [], veto = [];
  for (let p = ev.n_tumor; p < ev.P; p += 1) {
    const { state, fraction } = stateOf(ev, now.members, a, b, op, p, found.fractions[p]);
    if (fraction > now.about.limit[p]) { if (isSure(state)) broken.push(ev.populations[p].tissue); else if (state === BOUNDED) unresolved.push(ev.populations[p].tissue); }
  }
  now.about.units.forEach((unit, i) => {
    if (unit.cap >= 1) return;
    if (states[i] === "exposed") { broken.push(unit.tissue); if (unit.evidence === "protein") veto.push(unit.tissue); }
    if (states[i] === "unresolved") unresolved.push(unit.tissue);
  });
  const tumors = ev.populations.slice(0, ev.n_tumor);
  const patients = tumors.reduce((sum, place) => sum + place.n_donors, 0);
  const [lower, upper] = interval(found.coverage, patients);
  const shares = Float64Array.from(found.fractions.subarray(0, ev.n_tumor)).sort();
  const middle = shares.length >> 1;
  return {
    safety_class: KINDS[found.kind], is_eligible: found.coverage >= floor - 1e-9, coverage: found.coverage, coverage_lower: lower, coverage_upper: upper,
    coverage_median: ev.isCells ? (shares.length % 2 ? shares[middle] : (shares[middle - 1] + shares[middle]) / 2) : null, coverage_p10: ev.isCells ? found.reach : null,
    n_patients: patients, liability: found.liability, liability_population: placeName(ev, found.where),
    liability_n_donors: behind(ev, found.where, "n_donors"), liability_n_observations: behind(ev, found.where, "n_observations"), liability_upper: outside.upper,
    liability_upper_population: placeName(ev, outside.from), liability_origin: inside.worst, liability_origin_population: placeName(ev, inside.where),
    liability_origin_upper: inside.upper, selectivity: found.selectivity, selectivity_origin: found.reach - Math.max(found.liability ?? 0, inside.worst ?? 0),
    is_safety_known: found.isKnown, tissues_broken: listed(broken), tissues_unresolved: listed(unresolved), tissues_unmeasured: listed(undecided(ev, now.members, a, b, op)),
    protein_veto: listed(veto), liability_naive: null,
  };
}
