// What a reader's settings make of each antigen in each tissue (cartarget.safety.known), before any gate is judged.

import { highestFraction, needOf, mostPeople } from "./special.js";
import { bitsOf, hasBit } from "./counted.js";
import { MISSING } from "./payload.js";

/** Weights and caps of the places under a reader's settings. */
export function placesOf(ev, settings) {
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

/** Donors over the cap in a population: what hits are more than the cap allows, and what share of donors breaks it. */
function peopleOf(ev, base, populations) {
  const need = new Float64Array(ev.S).fill(Infinity), most = new Float64Array(ev.P).fill(Infinity), least = new Float64Array(ev.P).fill(Infinity);
  const held = new Map();
  for (let p = ev.n_tumor; p < ev.P; p += 1) {
    const { cap, n_donors: donors } = populations[p];
    if (!ev.cells[p] || cap >= 1) continue;
    most[p] = mostPeople(donors, cap);
    const loads = [];
    for (let s = ev.first[p]; s < ev.first[p + 1]; s += 1) {
      if (ev.donors[s] !== 1) continue;
      const key = `${ev.sizes[s]} ${cap}`;
      if (!held.has(key)) held.set(key, needOf(ev.sizes[s], cap, ev.chance));
      need[s] = held.get(key);
      if (need[s] <= ev.sizes[s]) loads.push(need[s] * base.weight[s]);
    }
    if (loads.length > most[p]) least[p] = loads.sort((x, y) => x - y).slice(0, most[p] + 1).reduce((sum, one) => sum + one, 0) - 1e-9;
  }
  return { need, most, least };
}

/** The places that must be measured, and what tells of each, as bits over them; samples and summaries of a whole organ stand in where they may. */
function requiredOf(ev) {
  const told = (tissue, isOwn, isWhole) => bitsOf(ev.places, (place) => place.tissue === tissue && (!place.cellType || isOwn(place.cellType) || (isWhole && place.isStoodFor)));
  const none = bitsOf(ev.places, () => false);
  return { ofPopulation: ev.populations.map(({ tissue, cell_type: own }, p) => (ev.tells[p] ? told(tissue, (asked) => ev.cells[p] === 1 && asked === own, ev.samples[p] === 1) : none)),
    ofUnit: ev.units.map(({ tissue, cell_type: own }, u) => (ev.rna[u] ? told(tissue, (asked) => asked === own, !own) : none)),
    outside: bitsOf(ev.places, (place) => !place.isOrigin), inside: bitsOf(ev.places, (place) => place.isOrigin), all: bitsOf(ev.places, () => true) };
}

/** Antigens × tissues: every required cell type was measured in cells; if none is required, some cell type was. */
function typedOf(ev, base) {
  const { n, P } = ev, T = ev.tissues.length;
  const asked = ev.tissues.map((tissue, t) => {
    const here = ev.populations.map((_, p) => p).filter((p) => ev.cells[p] && ev.tells[p] && ev.ofPopulation[p] === t);
    const wanted = ev.places.filter((place) => place.tissue === tissue && place.cellType);
    return wanted.length ? wanted.map(({ cellType }) => here.filter((p) => ev.populations[p].cell_type === cellType)) : [here];
  });
  const out = new Uint8Array(n * T);
  for (let row = 0; row < n; row += 1) asked.forEach((groups, t) => { out[row * T + t] = Number(groups.every((group) => group.some((p) => base.measured[row * P + p]))); });
  return out;
}

/** Everything that settings decide before any gate is looked at. */
export function knownOf(ev, base, settings) {
  const { n, P, width, arrays, n_tumor: nTumor } = ev, T = ev.tissues.length, U = ev.units.length;
  const { populations, units } = placesOf(ev, settings);
  const limit = Float64Array.from(populations, (place, p) => (p < nTumor || place.cap >= 1 ? 1 : place.is_thin ? place.cap : highestFraction(place.cap, base.n[p])) + 1e-9);
  const weight = Float64Array.from(populations, (place, p) => (p < nTumor ? 0 : place.weight));
  const above = arrays[`above.${base.threshold}`], required = requiredOf(ev), typed = typedOf(ev, base), R = required.all.length;
  const decides = Uint8Array.from(populations, (place, p) => Number(weight[p] > 0 && !place.is_thin));
  const about = { base, populations, units, limit, weight, above, required, typed, R, T, capped: bitsOf(units, (unit) => unit.cap < 1), people: peopleOf(ev, base, populations),
    decides, deciding: [0, 1].map((side) => Int32Array.from(populations.keys()).filter((p) => decides[p] && ev.isOrigin[p] === side)), telling: populations.map((_, p) => p).filter((p) => required.ofPopulation[p].some(Boolean)),
    loads: [...new Set(units.map((unit) => unit.weight).filter((load) => load > 0))].sort((x, y) => y - x).map((load) => ({ load, mask: bitsOf(units, (unit) => unit.weight === load) })),
    absent: new Uint8Array(n * T), explained: new Uint8Array(n * T), present: new Uint8Array(n * T), summed: new Uint32Array(n * R), below: new Uint32Array(n * R),
    known: new Uint32Array(n * width), maybe: new Uint32Array(n * width), explainedUnit: new Uint32Array(n * width), typedUnit: new Uint32Array(n * width) };
  const broken = new Uint8Array(T), shown = new Uint8Array(T), seen = new Uint8Array(T), told = new Uint8Array(T);
  for (let row = 0; row < n; row += 1) {
    for (const flags of [broken, shown, seen, told]) flags.fill(0);
    for (let p = nTumor; p < P; p += 1) {
      const i = row * P + p, t = ev.ofPopulation[p];
      if (!base.measured[i]) continue;
      if (base.corrected[i] > limit[p]) { broken[t] = 1; if (ev.samples[p]) shown[t] = 1; }
      if (base.corrected[i] >= ev.seen) { about.present[row * T + t] = 1; if (ev.enough[p]) seen[t] = 1; }
      if (ev.tells[p]) told[t] = 1;
    }
    const over = above.subarray(row * width, (row + 1) * width), marks = about.known.subarray(row * width, (row + 1) * width);
    for (let u = 0; u < U; u += 1) {
      const t = ev.ofUnit[u], isAbove = hasBit(over, u), isKnown = arrays.value[row * U + u] !== MISSING;
      if (isKnown) marks[u >> 5] |= 1 << (u & 31);
      if (isAbove) { shown[t] = 1; if (units[u].cap < 1) broken[t] = 1; if (ev.rna[u]) about.present[row * T + t] = 1; }
      if (!isKnown || !ev.rna[u]) continue;
      told[t] = 1;
      for (let r = 0; r < R; r += 1) { about.summed[row * R + r] |= required.ofUnit[u][r]; if (!isAbove) about.below[row * R + r] |= required.ofUnit[u][r]; }
    }
    for (let t = 0; t < T; t += 1) {
      about.absent[row * T + t] = told[t] & (1 - broken[t]);
      about.explained[row * T + t] = typed[row * T + t] & ((1 - shown[t]) | seen[t]);
    }
    for (let u = 0; u < U; u += 1) {
      const at = row * width + (u >> 5), bit = 1 << (u & 31), i = row * T + ev.ofUnit[u];
      if (hasBit(over, u) || (!hasBit(marks, u) && !about.absent[i])) about.maybe[at] |= bit;
      if (about.explained[i]) about.explainedUnit[at] |= bit;
      if (typed[i]) about.typedUnit[at] |= bit;
    }
  }
  return about;
}
