// Packed counts: what gates hit in each population, before any cap or weight is asked. Nothing here touches the page.

export const [COMPLETE, INFORMED] = [1, 2];

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
  return { ...header, arrays, n, P, first, isCells: header.kind === "cells", W: header.starts.at(-1), S: header.owner.length,
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
  const base = { threshold, words, measured, power, weight: ev.segment_weight[threshold], n: ev.n_effective[threshold], fraction: new Float64Array(n * P), corrected: new Float64Array(n * P), state: new Uint8Array(n * P), medians: Array.from({ length: P }, () => new Map()) };
  const asked = { n: 1, at: [0], flip: [0], stops: [1] };
  for (let row = 0; row < n; row += 1) {
    asked.at[0] = row * W;
    for (let p = 0; p < P; p += 1) {
      const i = row * P + p;
      base.fraction[i] = meanIn(ev, base, asked, p);
      base.corrected[i] = measured[i] ? Math.min(base.fraction[i] / Math.max(power[i], ev.least_power), 1) : 0;
      base.state[i] = measured[i] ? COMPLETE | INFORMED : 0;
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

/**
 * Put a conjunction into what is asked of a population: what was measured of it. In normal samples a blocker blocks
 * nothing, unless blockers are `believed`. Tells whether all of it was measured, and some of what it senses.
 */
function ask(ev, base, { plain, blockers }, rows, p, asked, believed = false) {
  let k = asked.n ? asked.stops[asked.n - 1] : 0, state = COMPLETE;
  for (const letter of plain) {
    if (base.measured[rows[letter] * ev.P + p]) { asked.at[k] = rows[letter] * ev.W; asked.flip[k] = 0; k += 1; state |= INFORMED; } else state &= ~COMPLETE;
  }
  for (const letter of blockers) {
    if (ev.samples[p] && !believed) continue;
    if (base.measured[rows[letter] * ev.P + p]) { asked.at[k] = rows[letter] * ev.W; asked.flip[k] = -1; k += 1; } else state &= ~COMPLETE;
  }
  asked.stops[asked.n] = k;
  asked.n += 1;
  return state;
}

const empty = () => ({ n: 0, at: [], flip: [], stops: [] });

/** A whole gate as it is asked of one population: the conjunctions of which all was measured; null if there is none. */
export function askGate(ev, base, { shape, rows }, p, { believed = false } = {}) {
  const asked = empty();
  for (const part of shape.parts) if (!(ask(ev, base, part, rows, p, asked, believed) & COMPLETE)) asked.n -= 1;
  return asked.n ? asked : null;
}

/** Fraction over the power of the antigens sensed that were measured, and not above any of them alone. */
function powered(ev, base, plain, rows, p, fraction) {
  let out = fraction, ceiling = 1;
  for (const letter of plain) {
    const i = rows[letter] * ev.P + p;
    if (!base.measured[i]) continue;
    out /= Math.max(base.power[i], ev.least_power);
    ceiling = Math.min(ceiling, base.corrected[i]);
  }
  return Math.min(out, ceiling);
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
export const sizeOf = ({ shape }) => shape.parts.filter(isCounted).length + (shape.parts.length > 1 ? 1 : 0);

/**
 * Count one gate: `low` (fraction hit at least, for power corrected; in tumours the plain fraction), `state` (was all of
 * it measured, something of each conjunction), its coverage, and of each conjunction `share` (as `low` where all of it
 * was measured, else what the measured part of it hits) and `state`. `room` is where the numbers go.
 */
export function countGate(ev, base, { shape, rows }, room) {
  const { P } = ev;
  let used = 0;
  const next = () => ({ share: room.share.subarray(used, used + P), state: room.state.subarray(used, used += P) });
  const parts = shape.parts.map((part) => (isCounted(part) ? next() : { share: base.corrected.subarray(rows[part.plain[0]] * P, (rows[part.plain[0]] + 1) * P), state: base.state.subarray(rows[part.plain[0]] * P, (rows[part.plain[0]] + 1) * P) }));
  const { share: low, state: whole } = parts.length > 1 ? next() : parts[0];
  const asked = empty(), one = empty();
  for (let p = 0; p < P; p += 1) {
    let added = 0;
    asked.n = 0;
    for (let c = 0; c < parts.length; c += 1) {
      const part = shape.parts[c];
      if (isCounted(part)) {
        one.n = 0;
        const state = ask(ev, base, part, rows, p, one);
        const plain = state & INFORMED ? meanIn(ev, base, one, p) : 0;
        parts[c].state[p] = state;
        parts[c].share[p] = powered(ev, base, part.plain, rows, p, plain);
        if (state & COMPLETE) added += parts[c].share[p] - plain;
      } else if (parts[c].state[p]) added += parts[c].share[p] - base.fraction[rows[part.plain[0]] * P + p];
      if (parts.length > 1 && !(ask(ev, base, part, rows, p, asked) & COMPLETE)) asked.n -= 1;
    }
    if (parts.length === 1) continue;
    whole[p] = parts.reduce((all, { state }) => all & state[p], COMPLETE | INFORMED);
    const plain = asked.n ? meanIn(ev, base, asked, p) : 0;
    low[p] = p < ev.n_tumor ? plain : Math.min(plain + added, 1, ceilingOf(shape.tree, base.corrected, rows, P, p));
  }
  return { low, state: whole, parts, ...coverageOf(ev, low) };
}

/** Count many gates, in one room. */
export function countGates(ev, base, gates) {
  const total = gates.reduce((sum, gate) => sum + sizeOf(gate), 0) * ev.P;
  const share = new Float64Array(total), state = new Uint8Array(total);
  let at = 0;
  return gates.map((gate) => {
    const end = at + sizeOf(gate) * ev.P;
    const found = countGate(ev, base, gate, { share: share.subarray(at, end), state: state.subarray(at, end) });
    at = end;
    return found;
  });
}
