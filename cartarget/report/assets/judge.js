// Gates judged again from packed counts, by the rules of cartarget.safety. Nothing here touches the page.

import { posterior, highestFraction, studentRatio } from "./special.js";

export const [ANY, BOTH, NOT] = [0, 1, 2];
export const [COUNTED, BOUNDED, UNMEASURED, AT_LEAST] = [0, 1, 2, 3];
/** Whether a gate hits at least what was counted. */
export const isSure = (state) => state === COUNTED || state === AT_LEAST;
export const KINDS = ["safe", "origin-only", "unknown", "unsafe"];

export function popcount(word) {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

const range = (n) => Array.from({ length: n }, (_, i) => i);

/** The evidence of a decoded block: its rows by antigen, and what does not depend on any setting. */
export function openEvidence({ header, arrays }) {
  const { populations, units, required } = header;
  const n = header.symbols.length, P = populations.length;
  const width = Math.max(1, Math.ceil(units.length / 32));
  const bits = (test) => {
    const words = new Uint32Array(width);
    units.forEach((unit, i) => { if (test(unit, i)) words[i >> 5] |= 1 << (i & 31); });
    return words;
  };
  const known = new Uint32Array(n * width);
  for (let row = 0; row < n; row += 1) {
    for (let u = 0; u < units.length; u += 1) if (arrays.value[row * units.length + u] !== -32768) known[row * width + (u >> 5)] |= 1 << (u & 31);
  }
  const tissues = [...new Set(units.map((unit) => unit.tissue))];
  return { ...header, arrays, n, P, width, bits, known, rowOf: new Map(header.symbols.map((symbol, i) => [symbol, i])),
    isCells: header.kind === "cells", rna: bits((unit) => unit.evidence === "summary"), unitOrigin: bits((unit) => unit.is_origin),
    unitVital: bits((unit) => unit.tier === "vital"), inTissue: tissues.map((tissue) => ({ required: required.indexOf(tissue), mask: bits((unit) => unit.tissue === tissue) })),
    ofTissue: new Map(tissues.map((tissue) => [tissue, bits((unit) => unit.tissue === tissue)])), W: header.starts.at(-1), S: header.owner.length };
}

/** How many observations of each segment a gate hits: in the tumour, and as judged in normal tissue. */
function countInto(ev, words, a, b, op, out) {
  const { W, S, starts, owner, n_tumor, isCells } = ev;
  const first = a * W, second = b * W;
  for (let s = 0; s < S; s += 1) {
    const whole = op === NOT && !isCells && owner[s] >= n_tumor;
    let total = 0;
    for (let w = starts[s]; w < starts[s + 1]; w += 1) {
      const x = words[first + w], y = words[second + w];
      const hit = whole ? x : op === ANY ? x | y : op === BOTH ? x & y : x & ~y;
      if (hit !== 0) total += popcount(hit);
    }
    out[s] = total;
  }
}

/** Fractions of each population that gates hit, gates × populations. */
export function fractionsOf(ev, threshold, { a, b, op }) {
  const { P, S, owner } = ev;
  const words = ev.arrays[`words.${threshold}`], weight = ev.segment_weight[threshold];
  const out = new Float64Array(a.length * P), counts = new Int32Array(S);
  for (let g = 0; g < a.length; g += 1) {
    countInto(ev, words, a[g], b[g], op[g], counts);
    for (let s = 0; s < S; s += 1) if (counts[s] !== 0) out[g * P + owner[s]] += counts[s] * weight[s];
  }
  return out;
}

/** Observations that one gate hits, per population. */
export function countsOf(ev, threshold, a, b, op) {
  const counts = new Int32Array(ev.S), out = new Int32Array(ev.P);
  countInto(ev, ev.arrays[`words.${threshold}`], a, b, op, counts);
  counts.forEach((count, s) => { out[ev.owner[s]] += count; });
  return out;
}

/** Effective number of observations of one gate per population, from its own spread over donors (evidence.intervals.effective_rows). */
export function effectiveOf(ev, threshold, { a, b, op }) {
  const { P, S, owner, sizes, donors, prior_donors: prior } = ev;
  const weight = ev.segment_weight[threshold], n = ev.n_effective[threshold];
  const counts = new Int32Array(S);
  countInto(ev, ev.arrays[`words.${threshold}`], a, b, op, counts);
  const mean = new Float64Array(P), spread = new Float64Array(P), kish = new Float64Array(P), total = new Float64Array(P), binomial = new Uint8Array(P).fill(1);
  for (let s = 0; s < S; s += 1) mean[owner[s]] += counts[s] * weight[s];
  for (let s = 0; s < S; s += 1) {
    const p = owner[s], alone = donors[s] === 1, m = mean[p], k = counts[s];
    const share = alone ? weight[s] * sizes[s] : weight[s];
    const scale = share < 1 - 1e-9 ? weight[s] ** 2 / (1 - share) : 0;
    spread[p] += scale * (alone ? (k - sizes[s] * m) ** 2 : k * (1 - m) ** 2 + (sizes[s] - k) * m ** 2);
    kish[p] += (alone ? 1 : sizes[s]) * share ** 2;
    total[p] += sizes[s];
    if (alone && sizes[s] > 1) binomial[p] = 0;
  }
  return Float64Array.from(mean, (m, p) => {
    if (binomial[p] || n[p] >= total[p] - 1e-9) return n[p];
    const variance = m * (1 - m);
    const ratio = variance > 1e-12 ? (spread[p] * n[p]) / variance : 1;
    const freedom = Math.min(Math.max(1 / Math.max(kish[p], 1e-12) - 1, 0), 4 * n[p] * variance);
    const drawn = (freedom * ratio + prior) / (freedom + prior);
    return Math.min((n[p] / drawn) * studentRatio(freedom + prior), total[p]);
  });
}

/** Weights and caps of the places under a reader's settings. */
export function places(ev, settings) {
  const move = (place) => {
    const reference = ev.reference[place.tier], asked = settings.tiers?.[place.tier];
    let { weight, cap } = place;
    if (reference && asked && Math.abs(weight - reference.weight) < 1e-8 && Math.abs(cap - reference.cap) < 1e-8) ({ weight, cap } = asked);
    if (reference && settings.tolerated?.includes(place.tissue)) {
      weight = Math.min(weight, settings.tiers?.tolerable?.weight ?? ev.reference.tolerable.weight);
      cap = 1;
    }
    return { ...place, weight, cap };
  };
  return { populations: ev.populations.map(move), units: ev.units.map(move) };
}

/** Everything that a setting decides before any gate is looked at. */
function frame(ev, settings) {
  const { threshold } = settings;
  const { populations, units } = places(ev, settings);
  const n = ev.n_effective[threshold];
  const limit = populations.map((place, p) => (p < ev.n_tumor ? 1 : place.cap >= 1 ? 1 : place.is_thin ? place.cap : highestFraction(place.cap, n[p])) + 1e-9);
  const capped = ev.bits((_, i) => units[i].cap < 1);
  const weights = [...new Set(units.filter((unit) => unit.cap < 1).map((unit) => unit.weight))].sort((x, y) => y - x);
  const each = (read) => Uint8Array.from(populations, read);
  return { threshold, populations, units, n, capped, limit: Float64Array.from(limit), weight: Float64Array.from(populations, ({ weight }) => weight),
    isOrigin: each((place) => place.is_origin), isVital: each((place) => place.tier === "vital"), decides: each((place) => !place.is_origin && !place.is_thin),
    isOriginTissue: ev.required.map((tissue) => ev.origin.includes(tissue)), state: new Uint8Array(ev.P), share: new Float64Array(ev.P),
    weights: weights.map((weight) => ({ weight, mask: ev.bits((_, i) => units[i].weight === weight && units[i].cap < 1) })) };
}

/** What is known of each antigen in each required tissue and unit: the members' part of every gate. */
function membersOf(ev, about, fraction) {
  const { n, P, width, required, arrays, populations, n_tumor, known, rna } = ev;
  const above = arrays[`above.${about.threshold}`], measured = arrays.measured;
  const R = required.length;
  const absent = new Uint8Array(n * R), counted = new Uint8Array(n * R), summed = new Uint8Array(n * R);
  const maybe = new Uint32Array(n * width), covered = new Uint32Array(n * width);
  const here = required.map((tissue) => range(P).filter((p) => p >= n_tumor && populations[p].tissue === tissue));
  const masks = required.map((tissue) => ev.ofTissue.get(tissue));
  for (let row = 0; row < n; row += 1) {
    for (let t = 0; t < R; t += 1) {
      let isCounted = 0, isBroken = 0, isSummed = 0;
      for (const p of here[t]) {
        if (!measured[row * P + p]) continue;
        if (populations[p].n_donors >= ev.enough_donors && !(ev.isCells && populations[p].is_thin)) isCounted = 1;
        if (fraction[row * P + p] > about.limit[p]) isBroken = 1;
      }
      if (masks[t]) {
        for (let w = 0; w < width; w += 1) {
          if (known[row * width + w] & masks[t][w] & rna[w]) isSummed = 1;
          if (above[row * width + w] & masks[t][w]) isBroken = 1;
        }
      }
      const at = row * R + t;
      counted[at] = isCounted; summed[at] = isSummed;
      absent[at] = (isCounted | isSummed) & (1 - isBroken);
    }
    for (const { required: t, mask } of ev.inTissue) {
      let told = 0, over = 0;
      for (let w = 0; w < width; w += 1) {
        told |= known[row * width + w] & mask[w] & rna[w];
        over |= above[row * width + w] & mask[w] & rna[w];
      }
      const noRna = (told !== 0 && over === 0) || (t >= 0 && absent[row * R + t] === 1);
      const believed = ev.isCells && t >= 0 && counted[row * R + t] === 1;
      for (let w = 0; w < width; w += 1) {
        const at = row * width + w;
        maybe[at] |= mask[w] & (above[at] | (~known[at] & (noRna ? rna[w] : 0xffffffff)));
        if (believed) covered[at] |= mask[w];
      }
    }
  }
  return { above, maybe, covered, absent, counted, summed, fraction };
}

/** Upper and lower bound of the posterior median, cheap: most places cannot be the worst. */
const ceiling = (f, n) => (f < 0.5 ? (n * f + 0.5) / (n + 1) : n > 1 ? Math.min(1, f + (f - 0.5) / (n - 1)) : 1);
const bottom = (f, n) => (f >= 0.5 ? (n * f + 0.5) / (n + 1) : n > 1 && n * f > 0.5 ? (n * f - 0.5) / (n - 1) : 0);

function medianOf(about, p, f) {
  const memo = about.medians[p];
  let value = memo.get(f);
  if (value === undefined) memo.set(f, value = posterior(f, about.n[p], 0.5));
  return value;
}

function tenth(values) {
  const sorted = Float64Array.from(values).sort();
  const place = 0.1 * (sorted.length - 1), at = Math.floor(place);
  const next = sorted[Math.min(at + 1, sorted.length - 1)];
  return sorted[at] + (next - sorted[at]) * (place - at);
}

/** What a gate hits in units of summary and protein evidence: words of exposed and of unresolved units. */
export function unitWords(ev, members, a, b, op) {
  const { width, isCells } = ev;
  const exposed = new Uint32Array(width), open = new Uint32Array(width);
  for (let w = 0; w < width; w += 1) {
    const x = a * width + w, y = b * width + w;
    if (op === ANY) exposed[w] = members.above[x] | members.above[y];
    else if (op === NOT) exposed[w] = members.above[x] & ~(isCells ? members.covered[x] & members.covered[y] : 0);
    else open[w] = members.maybe[x] & members.maybe[y] & (members.above[x] | members.above[y]);
  }
  return { exposed, open };
}

/** State and fraction of a gate in one population, as `cartarget.safety.judge` has them. */
export function stateOf(ev, members, a, b, op, p, fraction) {
  const x = ev.arrays.measured[a * ev.P + p], y = ev.arrays.measured[b * ev.P + p];
  if (op === NOT && !ev.isCells ? x : x & y) return { state: COUNTED, fraction };
  if (op === ANY && x ^ y) return { state: AT_LEAST, fraction };
  const isBounded = op === BOTH ? x ^ y : op === NOT && ev.isCells && x && !y;
  return isBounded ? { state: BOUNDED, fraction: members.fraction[(x ? a : b) * ev.P + p] } : { state: UNMEASURED, fraction: 0 };
}

/** Required tissues, by number, in which nothing can decide about a gate. */
function undecidedAt(ev, members, a, b, op) {
  const { isCells } = ev;
  const { absent, counted, summed } = members, R = ev.required.length, open = [];
  for (let t = 0; t < R; t += 1) {
    const x = a * R + t, y = b * R + t;
    const knownX = counted[x] | summed[x], knownY = counted[y] | summed[y];
    const decided = op === ANY ? knownX & knownY : op === BOTH ? absent[x] | absent[y] | (counted[x] & counted[y]) | (summed[x] & summed[y])
      : isCells ? absent[x] | (counted[x] & counted[y]) : knownX;
    if (!decided) open.push(t);
  }
  return open;
}

/** Required tissues in which nothing can decide about a gate, by name. */
export const undecided = (ev, members, a, b, op) => undecidedAt(ev, members, a, b, op).map((t) => ev.required[t]);

/** What is known of a gate in each normal population: its state, and its fraction or a bound of it. */
function statesInto(ev, members, a, b, op, fractions, base, state, share) {
  const { P, n_tumor, isCells } = ev;
  const { measured } = ev.arrays;
  for (let p = n_tumor; p < P; p += 1) {
    const x = measured[a * P + p], y = measured[b * P + p];
    if (op === NOT && !isCells ? x : x & y) { state[p] = COUNTED; share[p] = fractions[base + p]; }
    else if (op === ANY && x ^ y) { state[p] = AT_LEAST; share[p] = fractions[base + p]; }
    else if (op === BOTH ? x ^ y : op === NOT && isCells && x && !y) { state[p] = BOUNDED; share[p] = members.fraction[(x ? a : b) * P + p]; }
    else { state[p] = UNMEASURED; share[p] = 0; }
  }
}

/** Judge one gate. `base` is where its fractions start. */
function judgeOne(ev, about, members, a, b, op, fractions, base) {
  const { P, n_tumor, isCells, width } = ev;
  const { state, share, n } = about;
  let coverage = 0;
  for (let p = 0; p < n_tumor; p += 1) coverage += fractions[base + p] / n_tumor;
  const reach = isCells ? tenth(fractions.subarray(base, base + n_tumor)) : coverage;
  statesInto(ev, members, a, b, op, fractions, base, state, share);
  let unsafe = false, doubt = false, originHit = false, originDoubt = false, least = -1;
  for (let p = n_tumor; p < P; p += 1) {
    if (share[p] > about.limit[p]) {
      if (isSure(state[p])) { if (about.isOrigin[p]) originHit = true; else unsafe = true; }
      else if (state[p] === BOUNDED && about.isVital[p]) { if (about.isOrigin[p]) originDoubt = true; else doubt = true; }
    }
    if (isSure(state[p]) && about.decides[p]) least = Math.max(least, about.weight[p] * bottom(share[p], n[p]));
  }
  let liability = -1, where = -1;
  for (let p = n_tumor; p < P; p += 1) {
    if (!about.decides[p] || !isSure(state[p]) || about.weight[p] * ceiling(share[p], n[p]) < least) continue;
    const value = about.weight[p] * medianOf(about, p, share[p]);
    if (value > liability) [liability, where] = [value, p];
  }
  let anyOut = 0, anyIn = 0, openOut = 0, openIn = 0;
  for (let w = 0; w < width; w += 1) {
    const x = a * width + w, y = b * width + w, mask = about.capped[w], inside = ev.unitOrigin[w];
    const hit = mask & (op === ANY ? members.above[x] | members.above[y] : op === NOT ? members.above[x] & ~(isCells ? members.covered[x] & members.covered[y] : 0) : 0);
    const unsure = op === BOTH ? mask & ev.unitVital[w] & members.maybe[x] & members.maybe[y] & (members.above[x] | members.above[y]) : 0;
    anyOut |= hit & ~inside; anyIn |= hit & inside; openOut |= unsure & ~inside; openIn |= unsure & inside;
  }
  if (anyOut) {
    unsafe = true;
    const { exposed } = unitWords(ev, members, a, b, op);
    for (const { weight, mask } of about.weights) {
      if (weight <= liability) break;
      const found = mask.findIndex((word, w) => (word & exposed[w] & ~ev.unitOrigin[w]) !== 0);
      if (found < 0) continue;
      const word = mask[found] & exposed[found] & ~ev.unitOrigin[found];
      [liability, where] = [weight, P + 32 * found + 31 - Math.clz32(word & -word)];
      break;
    }
  }
  if (anyIn) originHit = true;
  if (openOut) doubt = true;
  if (openIn) originDoubt = true;
  for (const t of undecidedAt(ev, members, a, b, op)) { if (about.isOriginTissue[t]) originDoubt = true; else doubt = true; }
  const kind = unsafe ? 3 : doubt ? 2 : originHit || originDoubt ? 1 : 0;
  return { coverage, reach, liability: liability < 0 ? null : liability, where, kind, isKnown: !doubt && !originDoubt, selectivity: reach - Math.max(liability, 0) };
}

/** Name of a place, as the tables have it: populations first, then units with their atlas, then required tissues. */
export function placeName(ev, where) {
  if (where < 0) return null;
  if (where < ev.P) return ev.populations[where].population;
  if (where >= ev.P + ev.units.length) return ev.required[where - ev.P - ev.units.length];
  const unit = ev.units[where - ev.P];
  return `${unit.population} (${unit.atlas})`;
}

/** Donors or observations behind a place; null for a summary or stain, which tells none. */
export const behind = (ev, where, name) => ev.populations[where]?.[name] ?? null;

/** A judge for settings. It keeps what the last ones did not move: fractions, medians, and classes if only the floor moved. */
export function judgeOf(ev) {
  let held = { threshold: -1 }, last = { key: "" };
  const singles = { a: Int32Array.from(range(ev.n)), b: Int32Array.from(range(ev.n)), op: new Int8Array(ev.n) };
  return (settings) => {
    if (held.threshold !== settings.threshold) {
      held = { threshold: settings.threshold, alone: fractionsOf(ev, settings.threshold, singles), list: null, fractions: null, medians: range(ev.P).map(() => new Map()) };
    }
    const key = JSON.stringify([settings.threshold, settings.tiers, settings.tolerated]);
    if (last.key !== key) {
      const about = { ...frame(ev, settings), medians: held.medians };
      last = { key, about, members: membersOf(ev, about, held.alone), judged: new Map() };
    }
    const { about, members, judged } = last;
    const all = (list, fractions) => {
      if (!judged.has(list)) judged.set(list, judgeAll(ev, about, members, list, fractions));
      const found = judged.get(list);
      return { ...found, isEligible: Uint8Array.from(found.coverage, (coverage) => (coverage >= settings.floor - 1e-9 ? 1 : 0)) };
    };
    const gates = (list) => {
      if (held.list !== list) held = Object.assign(held, { list, fractions: fractionsOf(ev, settings.threshold, list) });
      return all(list, held.fractions);
    };
    const one = (a, b, op) => {
      const fractions = fractionsOf(ev, settings.threshold, { a: [a], b: [b], op: [op] });
      return { ...judgeOne(ev, about, members, a, b, op, fractions, 0), fractions };
    };
    return { about, members, singles: () => all(singles, members.fraction), gates, one };
  };
}

function judgeAll(ev, about, members, { a, b, op }, fractions) {
  const n = a.length;
  const out = { coverage: new Float64Array(n), liability: new Float64Array(n), selectivity: new Float64Array(n), where: new Int32Array(n), kind: new Uint8Array(n) };
  for (let g = 0; g < n; g += 1) {
    const one = judgeOne(ev, about, members, a[g], b[g], op[g], fractions, g * ev.P);
    out.coverage[g] = one.coverage;
    out.liability[g] = one.liability ?? NaN;
    out.selectivity[g] = one.selectivity;
    out.where[g] = one.where;
    out.kind[g] = one.kind;
  }
  return out;
}
