// Gates judged again from packed counts, by the rules of cartarget.safety. Nothing here touches the page.

import { posterior, highestFraction } from "./special.js";

export const [ANY, BOTH, NOT] = [0, 1, 2];
export const [COUNTED, BOUNDED, UNMEASURED] = [0, 1, 2];
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
  return { threshold, populations, units, n, limit, capped, medians: range(ev.P).map(() => new Map()),
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
        if (populations[p].n_donors >= ev.enough_donors) isCounted = 1;
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

/** State and fraction of a gate in one population, as `cartarget.safety.exposure` has them. */
export function stateOf(ev, members, a, b, op, p, fraction) {
  const x = ev.arrays.measured[a * ev.P + p], y = ev.arrays.measured[b * ev.P + p];
  if (op === ANY ? x | y : op === NOT && !ev.isCells ? x : x & y) return { state: COUNTED, fraction };
  const isBounded = op === BOTH ? x ^ y : op === NOT && ev.isCells && x && !y;
  return isBounded ? { state: BOUNDED, fraction: members.fraction[(x ? a : b) * ev.P + p] } : { state: UNMEASURED, fraction: 0 };
}

/** Required tissues in which nothing can decide about a gate. */
export function undecided(ev, members, a, b, op) {
  const { required, isCells } = ev;
  const { absent, counted, summed } = members, R = required.length;
  return required.filter((_, t) => {
    const x = a * R + t, y = b * R + t;
    const knownX = counted[x] | summed[x], knownY = counted[y] | summed[y];
    if (op === ANY) return !(knownX & knownY);
    if (op === BOTH) return !(absent[x] | absent[y] | (counted[x] & counted[y]) | (summed[x] & summed[y]));
    return isCells ? !(absent[x] | (counted[x] & counted[y])) : !knownX;
  });
}

/** Judge one gate. `base` is where its fractions start. */
function judgeOne(ev, about, members, a, b, op, fractions, base) {
  const { P, n_tumor, isCells, width } = ev;
  let coverage = 0;
  for (let p = 0; p < n_tumor; p += 1) coverage += fractions[base + p] / n_tumor;
  const reach = isCells ? tenth(fractions.subarray(base, base + n_tumor)) : coverage;
  let unsafe = false, doubt = false, originHit = false, originDoubt = false, least = -1;
  for (let p = n_tumor; p < P; p += 1) {
    const place = about.populations[p];
    const { state, fraction } = stateOf(ev, members, a, b, op, p, fractions[base + p]);
    if (fraction > about.limit[p]) {
      if (state === COUNTED) { if (place.is_origin) originHit = true; else unsafe = true; }
      else if (state === BOUNDED && place.tier === "vital") { if (place.is_origin) originDoubt = true; else doubt = true; }
    }
    if (state === COUNTED && !place.is_origin && !place.is_thin) least = Math.max(least, place.weight * bottom(fraction, about.n[p]));
  }
  let liability = -1, where = -1;
  for (let p = n_tumor; p < P; p += 1) {
    const place = about.populations[p];
    if (place.is_origin || place.is_thin) continue;
    const f = fractions[base + p];
    if (place.weight * ceiling(f, about.n[p]) < least || stateOf(ev, members, a, b, op, p, f).state !== COUNTED) continue;
    const value = place.weight * medianOf(about, p, f);
    if (value > liability) [liability, where] = [value, p];
  }
  const { exposed, open } = unitWords(ev, members, a, b, op);
  for (let w = 0; w < width; w += 1) {
    const hit = exposed[w] & about.capped[w], unsure = open[w] & about.capped[w] & ev.unitVital[w];
    if (hit & ~ev.unitOrigin[w]) unsafe = true;
    if (hit & ev.unitOrigin[w]) originHit = true;
    if (unsure & ~ev.unitOrigin[w]) doubt = true;
    if (unsure & ev.unitOrigin[w]) originDoubt = true;
  }
  for (const { weight, mask } of about.weights) {
    if (weight <= liability) break;
    const found = mask.findIndex((word, w) => (word & exposed[w] & ~ev.unitOrigin[w]) !== 0);
    if (found < 0) continue;
    const word = mask[found] & exposed[found] & ~ev.unitOrigin[found];
    [liability, where] = [weight, P + 32 * found + 31 - Math.clz32(word & -word)];
    break;
  }
  const missing = undecided(ev, members, a, b, op);
  for (const tissue of missing) { if (ev.origin.includes(tissue)) originDoubt = true; else doubt = true; }
  const kind = unsafe ? 3 : doubt ? 2 : originHit || originDoubt ? 1 : 0;
  return { coverage, reach, liability: liability < 0 ? null : liability, where, kind, selectivity: reach - Math.max(liability, 0) };
}

/** Name of a place, as the tables have it: populations first, then units with their atlas. */
export function placeName(ev, where) {
  if (where < 0) return null;
  if (where < ev.P) return ev.populations[where].population;
  const unit = ev.units[where - ev.P];
  return `${unit.population} (${unit.atlas})`;
}

/** A judge for settings. It keeps the fractions of the last threshold, so that weights and caps move quickly. */
export function judgeOf(ev) {
  let held = { threshold: -1, gates: new Map() };
  const singles = { a: Int32Array.from(range(ev.n)), b: Int32Array.from(range(ev.n)), op: new Int8Array(ev.n) };
  return (settings) => {
    if (held.threshold !== settings.threshold) held = { threshold: settings.threshold, alone: fractionsOf(ev, settings.threshold, singles), gates: new Map() };
    const about = frame(ev, settings);
    const members = membersOf(ev, about, held.alone);
    const all = (gates, fractions) => {
      const out = { coverage: new Float64Array(gates.a.length), liability: new Float64Array(gates.a.length), selectivity: new Float64Array(gates.a.length),
        where: new Int32Array(gates.a.length), kind: new Uint8Array(gates.a.length), isEligible: new Uint8Array(gates.a.length) };
      for (let g = 0; g < gates.a.length; g += 1) {
        const one = judgeOne(ev, about, members, gates.a[g], gates.b[g], gates.op[g], fractions, g * ev.P);
        out.coverage[g] = one.coverage;
        out.liability[g] = one.liability ?? NaN;
        out.selectivity[g] = one.selectivity;
        out.where[g] = one.where;
        out.kind[g] = one.kind;
        out.isEligible[g] = one.coverage >= settings.floor - 1e-9 ? 1 : 0;
      }
      return out;
    };
    const gates = (list) => {
      if (!held.gates.has(list)) { held.gates.clear(); held.gates.set(list, fractionsOf(ev, settings.threshold, list)); }
      return all(list, held.gates.get(list));
    };
    const one = (a, b, op) => {
      const list = { a: [a], b: [b], op: [op] };
      const fractions = fractionsOf(ev, settings.threshold, list);
      return { ...judgeOne(ev, about, members, a, b, op, fractions, 0), fractions };
    };
    return { about, members, singles: () => all(singles, held.alone), gates, one };
  };
}
