// Packed counts: what gates hit in each population, before any cap or weight is asked. Nothing here touches the page.

/** Of a conjunction in a population: all of it was measured; some antigen that it senses was; it hits something for sure. */
export const [COMPLETE, INFORMED, HITS] = [1, 2, 4];

export function popcount(word) {
  let v = word - ((word >>> 1) & 0x55555555);
  v = (v & 0x33333333) + ((v >>> 2) & 0x33333333);
  return Math.imul((v + (v >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Bits over a list, as words of 32. */
export function bitsOf(list, test) {
  const words = new Uint32Array(Math.max(1, Math.ceil(list.length / 32)));
  list.forEach((one, i) => { if (test(one, i)) words[i >> 5] |= 1 << (i & 31); });
  return words;
}

export const hasBit = (words, i) => ((words[i >> 5] >>> (i & 31)) & 1) === 1;

/** The evidence of a decoded block: its rows by antigen, and what does not depend on any setting. */
export function openEvidence({ header, arrays }) {
  const { populations, units, required, n_tumor: nTumor } = header;
  const n = header.symbols.length, P = populations.length;
  const each = (read) => Uint8Array.from(populations, (place, p) => Number(p >= nTumor && read(place)));
  const number = new Map(header.tissues.map((tissue, t) => [tissue, t]));
  const isCells = (place) => place.kind === "cells", manyCells = (place) => place.n_observations >= header.enough_cells;
  const first = new Int32Array(P + 1);
  for (const p of header.owner) first[p + 1] += 1;
  for (let p = 0; p < P; p += 1) first[p + 1] += first[p];
  const isHarmed = new Uint8Array(n); // severe harm is on record in an organ that nothing measured
  header.symbols.forEach((symbol, row) => { isHarmed[row] = Number(header.harmed.includes(symbol)); });
  const leaks = new Uint8Array(n * P); // where RNA of other cells may stand for the antigen
  header.symbols.forEach((symbol, row) => { for (const p of header.leaks[symbol] ?? []) leaks[row * P + p] = 1; });
  return { ...header, arrays, n, P, first, isHarmed, leaks, isCells: header.kind === "cells", W: header.starts.at(-1), S: header.owner.length,
    width: Math.max(1, Math.ceil(units.length / 32)), rowOf: new Map(header.symbols.map((symbol, i) => [symbol, i])),
    cells: each(isCells), samples: each((place) => !isCells(place)), enough: each((place) => isCells(place) && manyCells(place)),
    tells: each((place) => place.n_donors >= header.enough_donors && (!isCells(place) || manyCells(place))),
    ofPopulation: Int32Array.from(populations, (place, p) => (p < nTumor ? -1 : number.get(place.tissue))), ofUnit: Int32Array.from(units, (unit) => number.get(unit.tissue)),
    isOrigin: each((place) => place.is_origin), unitOrigin: bitsOf(units, (unit) => unit.is_origin), rna: units.map((unit) => unit.evidence === "summary"),
    places: required.map((name) => { const [tissue, cellType = ""] = name.split(": "); return { name, tissue, cellType, isStoodFor: header.stand_in.includes(name), isOrigin: header.origin.includes(tissue) }; }) };
}

/** What the antigens alone show at one threshold: plain and corrected fractions, antigens × populations. */
export function countAntigens(ev, threshold) {
  const { n, P, W, arrays } = ev;
  const words = arrays[`words.${threshold}`], measured = arrays[`measured.${threshold}`];
  const power = new Float32Array(n * P).fill(1), columns = ev.powered[threshold];
  columns.forEach((p, column) => { for (let row = 0; row < n; row += 1) power[row * P + p] = arrays[`power.${threshold}`][row * columns.length + column]; });
  const base = { threshold, words, measured, power, weight: ev.segment_weight[threshold], n: ev.n_effective[threshold], spread: ev.spread[threshold], fraction: new Float64Array(n * P), corrected: new Float64Array(n * P), state: new Uint8Array(n * P), medians: Array.from({ length: P }, () => new Map()) };
  const asked = { n: 1, at: [0], flip: [0], stops: [1] };
  for (let row = 0; row < n; row += 1) {
    asked.at[0] = row * W;
    for (let p = 0; p < P; p += 1) {
      const i = row * P + p;
      base.fraction[i] = meanIn(ev, base, asked, p);
      base.corrected[i] = measured[i] ? Math.min(base.fraction[i] / Math.max(power[i], ev.least_power), 1) : base.fraction[i];
      base.state[i] = measured[i] ? COMPLETE | INFORMED | HITS : base.fraction[i] > 0 ? HITS : 0;
    }
  }
  return base;
}

/** Bits that are hit in one word: any of `n` conjunctions, each with all of its antigens (`at`), blockers flipped. */
function hitsIn(words, { n, at, flip, stops }, w) {
  let hit = 0;
  for (let c = 0, k = 0; c < n; c += 1) {
    let bits = -1;
    for (; k < stops[c]; k += 1) bits &= words[at[k] + w] ^ flip[k];
    hit |= bits;
  }
  return hit;
}

/** Observations hit in one segment. */
export function countIn(ev, words, asked, s) {
  let total = 0;
  for (let w = ev.starts[s]; w < ev.starts[s + 1]; w += 1) {
    const hit = hitsIn(words, asked, w);
    if (hit !== 0) total += popcount(hit);
  }
  return total;
}

/** Mean fraction hit in one population, donors weighed. */
function meanIn(ev, { words, weight }, asked, p) {
  let sum = 0;
  for (let s = ev.first[p]; s < ev.first[p + 1]; s += 1) sum += countIn(ev, words, asked, s) * weight[s];
  return sum;
}

/** What was measured of a conjunction in one population. In normal samples a blocker blocks nothing, and is not asked. */
function measuredOf(ev, base, { plain, blockers }, rows, p) {
  let state = COMPLETE;
  for (const letter of plain) if (base.measured[rows[letter] * ev.P + p]) state |= INFORMED; else state &= ~COMPLETE;
  if (!ev.samples[p]) for (const letter of blockers) if (!base.measured[rows[letter] * ev.P + p]) state &= ~COMPLETE;
  return state;
}

/**
 * Put a conjunction into what is asked of a population. In normal samples a blocker blocks nothing, unless `believed`.
 * What was not measured hits least: a blocker then blocks everything, and the conjunction is left out; unless it is taken
 * to be `unblocked`; or `most`: an antigen is everywhere too.
 */
function ask(ev, base, { plain, blockers }, rows, p, asked, { believed = false, most = false, unblocked = most } = {}) {
  let k = asked.n ? asked.stops[asked.n - 1] : 0;
  for (const letter of plain) if (!most || base.measured[rows[letter] * ev.P + p]) { asked.at[k] = rows[letter] * ev.W; asked.flip[k] = 0; k += 1; }
  for (const letter of ev.samples[p] && !believed ? [] : blockers) {
    if (base.measured[rows[letter] * ev.P + p]) { asked.at[k] = rows[letter] * ev.W; asked.flip[k] = -1; k += 1; } else if (!unblocked) return;
  }
  asked.stops[asked.n] = k;
  asked.n += 1;
}

const empty = () => ({ n: 0, at: [], flip: [], stops: [] });

/** A whole gate as it is asked of one population: what it hits at least; null if no conjunction can be counted. */
export function askGate(ev, base, { shape, rows }, p, { believed = false } = {}) {
  const asked = empty();
  for (const part of shape.parts) ask(ev, base, part, rows, p, asked, { believed });
  return asked.n ? asked : null;
}

const one = empty();

/** Mean fraction that a conjunction hits in one population: least, or most. */
function fractionIn(ev, base, part, rows, p, how) {
  one.n = 0;
  ask(ev, base, part, rows, p, one, how);
  return one.n ? meanIn(ev, base, one, p) : 0;
}

const strength = (ev, base, i) => Math.max(base.power[i], ev.least_power);

/** Fraction that no blocker is known to block. */
function unblockedIn(ev, base, blockers, rows, p) {
  const asked = empty();
  for (const letter of ev.samples[p] ? [] : blockers) if (base.measured[rows[letter] * ev.P + p]) ask(ev, base, { plain: [letter], blockers: [] }, rows, p, asked);
  return asked.n ? 1 - meanIn(ev, base, asked, p) : 1;
}

/** Fraction of a conjunction over the power of what it senses, and no more than any part of it allows; `how`: least or most. */
function powered(ev, base, { plain, blockers }, rows, p, fraction, how = {}) {
  let least = 1, isPowered = true;
  for (const letter of plain) {
    const i = rows[letter] * ev.P + p;
    if (!how.most || base.measured[i]) least = Math.min(least, base.corrected[i]);
    if (base.power[i] < 1) isPowered = false;
  }
  if (isPowered || fraction === 0) return Math.min(least, fraction);
  for (let mask = (1 << plain.length) - 1; mask > 0; mask -= 1) {
    const part = plain.filter((_, i) => mask & (1 << i));
    if (part.length === 1 && !blockers.length) continue;
    const isGone = how.most && !part.some((letter) => base.measured[rows[letter] * ev.P + p]);
    const own = isGone ? unblockedIn(ev, base, blockers, rows, p) : part.length === plain.length ? fraction : fractionIn(ev, base, { plain: part, blockers }, rows, p, how);
    least = Math.min(least, part.reduce((value, letter) => { const i = rows[letter] * ev.P + p; return base.measured[i] ? value / strength(ev, base, i) : value; }, own));
  }
  return least;
}

const AT_MOST = { most: true };

/** What a conjunction of which not all was measured hits at most: what the measured part of it hits. */
const mostOf = (ev, base, part, rows, p, low) => Math.max(powered(ev, base, part, rows, p, fractionIn(ev, base, part, rows, p, AT_MOST), AT_MOST), low);

/** Mean fraction that conjunctions hit together in one population, at least. */
export function togetherIn(ev, base, parts, rows, p) {
  const asked = empty();
  for (const part of parts) ask(ev, base, part, rows, p, asked);
  return asked.n ? meanIn(ev, base, asked, p) : 0;
}

/** What was seen of what a conjunction senses, were it not for blockers that were not measured. */
export const seenOf = (ev, base, part, rows, p) => (part.blockers.length ? fractionIn(ev, base, part, rows, p, { unblocked: true }) : 0);

/** Fraction that a conjunction hits if of its blockers only those block that were measured and did not leak, for power corrected. */
export function bareOf(ev, base, { plain, blockers }, rows, p) {
  const isKept = (letter) => base.measured[rows[letter] * ev.P + p] && !ev.leaks[rows[letter] * ev.P + p];
  const bare = { plain, blockers: blockers.filter(isKept) };
  return powered(ev, base, bare, rows, p, fractionIn(ev, base, bare, rows, p));
}

/** What the parts of a gate alone allow: the least of an AND, the sum of an OR; a blocker allows everything. */
function ceilingOf({ parts, isAny, place, negated }, corrected, rows, P, p) {
  if (!parts) return negated ? 1 : corrected[rows[place] * P + p];
  let out = isAny ? 0 : 1;
  for (const part of parts) {
    const one = ceilingOf(part, corrected, rows, P, p);
    out = isAny ? out + one : Math.min(out, one);
  }
  return Math.min(out, 1);
}

function tenth(values) {
  const sorted = values.sort();
  const place = 0.1 * (sorted.length - 1), at = Math.floor(place);
  const next = sorted[Math.min(at + 1, sorted.length - 1)];
  return sorted[at] + (next - sorted[at]) * (place - at);
}

/** Mean coverage, and what selectivity is reckoned by: in cells the tenth percentile over patients that are not thin. */
function coverageOf(ev, low) {
  let coverage = 0;
  for (let p = 0; p < ev.n_tumor; p += 1) coverage += low[p] * ev.patient_weight[p];
  return { coverage, reach: ev.isCells ? tenth(low.subarray(0, ev.n_tumor).filter((_, p) => ev.tells_low_end[p])) : coverage };
}

/** Conjunctions of more than one literal are counted; the rest stand among the antigens. */
const isCounted = ({ plain, blockers }) => plain.length + blockers.length > 1;

/** Numbers that a gate takes up, per population. */
export const sizeOf = ({ shape }) => 2 * shape.parts.filter(isCounted).length + (shape.parts.length > 1 ? 1 : 0);

/**
 * Count one gate: `low` (fraction hit at least, for power corrected; in tumours the plain fraction), `state` (was all of
 * it measured, something of each conjunction), its coverage, and of each conjunction `low`, `most` and `state`. Of an
 * antigen alone that was not measured there is no `most`: it may be everywhere. `room` is where the numbers go.
 */
export function countGate(ev, base, { shape, rows }, room) {
  const { P } = ev;
  let used = 0;
  const next = () => ({ values: room.values.subarray(used, used + P), state: room.state.subarray(used, used += P) });
  const parts = shape.parts.map((part) => {
    const first = rows[part.plain[0]] * P;
    if (!isCounted(part)) return { low: base.corrected.subarray(first, first + P), most: null, state: base.state.subarray(first, first + P) };
    const { values: low, state } = next(), { values: most } = next();
    return { low, most, state };
  });
  const { values: low, state: whole } = parts.length > 1 ? next() : { values: parts[0].low, state: parts[0].state };
  const asked = empty();
  for (let p = 0; p < P; p += 1) {
    let added = 0;
    asked.n = 0;
    for (let c = 0; c < parts.length; c += 1) {
      const part = shape.parts[c], own = parts[c];
      if (isCounted(part)) {
        const state = measuredOf(ev, base, part, rows, p), plain = fractionIn(ev, base, part, rows, p);
        own.low[p] = p < ev.n_tumor ? plain : powered(ev, base, part, rows, p, plain);
        own.most[p] = state & COMPLETE ? own.low[p] : state & INFORMED ? mostOf(ev, base, part, rows, p, own.low[p]) : 1;
        own.state[p] = state & COMPLETE || own.low[p] > 0 ? state | HITS : state;
        if (own.state[p] & HITS) added += own.low[p] - plain;
      } else if (own.state[p] & HITS) added += own.low[p] - base.fraction[rows[part.plain[0]] * P + p];
      if (parts.length > 1) ask(ev, base, part, rows, p, asked);
    }
    if (parts.length === 1) continue;
    whole[p] = parts.reduce((all, { state }) => (all & state[p] & (COMPLETE | INFORMED)) | ((all | state[p]) & HITS), COMPLETE | INFORMED);
    const plain = asked.n ? meanIn(ev, base, asked, p) : 0;
    low[p] = p < ev.n_tumor ? plain : Math.min(plain + added, 1, ceilingOf(shape.tree, base.corrected, rows, P, p));
  }
  return { low, state: whole, parts, ...coverageOf(ev, low) };
}

/** Room for the numbers of gates. */
export const numbersFor = (ev, size) => ({ values: new Float64Array(size * ev.P), state: new Uint8Array(size * ev.P) });

/** Count many gates, in one room. */
export function countGates(ev, base, gates) {
  const { values, state } = numbersFor(ev, gates.reduce((sum, gate) => sum + sizeOf(gate), 0));
  let at = 0;
  return gates.map((gate) => {
    const end = at + sizeOf(gate) * ev.P;
    const found = countGate(ev, base, gate, { values: values.subarray(at, end), state: state.subarray(at, end) });
    at = end;
    return found;
  });
}
