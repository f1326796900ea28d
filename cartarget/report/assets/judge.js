// Gates judged again from packed counts, by the rules of cartarget.safety. Nothing here touches the page.

import { COMPLETE, INFORMED, HITS, askGate, bareOf, countAntigens, countGate, countGates, hasBit, numbersFor, seenOf, sizeOf, togetherIn } from "./counted.js";
import { knownOf, medianOf, overCap } from "./known.js";
import { ALONE } from "./gate.js";
import { MISSING } from "./payload.js";

export const KINDS = ["within caps", "origin only", "unknown", "over cap"];
const ROUNDING = 1e-9;

/** What the judge says of one population: counted; more than the cap; perhaps more; bounded from above; decided by cells. */
export const [COUNTED, BREAKS, UNRESOLVED, BOUNDED, EXPLAINED] = [1, 2, 4, 8, 16];

/** Cells explain a conjunction in a tissue: two of its literals or more, one of them plain. */
function isExplained(about, { plain, blockers }, rows, t) {
  let number = 0;
  for (const letter of plain) number += about.explained[rows[letter] * about.T + t];
  if (number === 0) return false;
  for (const letter of blockers) number += about.typed[rows[letter] * about.T + t];
  return number > 1;
}

/** Every choice of two letters or more. */
const choicesOf = (letters) => Array.from({ length: 1 << letters.length }, (_, mask) => letters.filter((_, i) => mask & (1 << i))).filter((part) => part.length > 1);

/** Antigens that are known to be absent together from a tissue: a gate of theirs is decided there, and breaks nothing. */
function isSpared(ev, about, letters, rows, t) {
  const own = letters.map((letter) => rows[letter]).sort((x, y) => x - y), key = own.join();
  if (!about.spared.has(key)) {
    const gate = { shape: { parts: [{ plain: own.map((_, i) => i), blockers: [] }] }, rows: own };
    const counted = countGate(ev, about.base, gate, numbersFor(ev, sizeOf(gate))), room = roomOf(ev, about), bad = new Uint8Array(about.T);
    for (let p = ev.n_tumor; p < ev.P; p += 1) {
      const marks = weighParts(ev, about, gate, counted, p, room);
      if (marks & UNRESOLVED || (marks & COUNTED && (room.low[p] > about.limit[p] || (ev.cells[p] && peopleOver(ev, about, gate, p) > about.people.most[p])))) bad[ev.ofPopulation[p]] = 1;
    }
    weighUnits(ev, about, gate, room);
    ev.units.forEach((_, u) => { if (hasBit(about.capped, u) && (hasBit(room.exposed, u) || hasBit(room.open, u))) bad[ev.ofUnit[u]] = 1; });
    weighPlaces(ev, about, gate, counted, room);
    ev.places.forEach((place, r) => { if (hasBit(room.undecided, r)) bad[ev.tissues.indexOf(place.tissue)] = 1; });
    about.spared.set(key, bad);
  }
  return !about.spared.get(key)[t];
}

/** Greatest fraction that a conjunction hits for the class: `low` where the antigens that were not measured are known not to be there, or not together. */
function highOf(ev, about, { plain }, rows, counted, p) {
  if (counted.state[p] & COMPLETE) return counted.low[p];
  const gone = plain.filter((letter) => !about.base.measured[rows[letter] * ev.P + p]), t = ev.ofPopulation[p];
  const isLeft = plain.length > 1 && (gone.some((letter) => about.absent[rows[letter] * about.T + t])
    || (gone.length > 1 && choicesOf(gone).some((part) => part.length < plain.length && isSpared(ev, about, part, rows, t))));
  return isLeft ? counted.low[p] : counted.most ? counted.most[p] : 1;
}

/** Donors over the cap by a gate. */
export function peopleOver(ev, about, gate, p) {
  const asked = askGate(ev, about.base, gate, p);
  return asked ? overCap(ev, about, asked, p) : 0;
}

/** What a gate's conjunctions say together in one population, not all measured or perhaps explained: its marks; the standing fraction goes into `room`. */
function weighParts(ev, about, gate, counted, p, room) {
  const { shape: { parts }, rows } = gate, { limit } = about;
  const { base } = about, rest = [];
  let told = false, isInformed = true, isOpen = false;
  for (let c = 0; c < parts.length; c += 1) {
    const one = counted.parts[c], state = one.state[p];
    if (!(state & INFORMED)) isInformed = false;
    if (ev.samples[p] && isExplained(about, parts[c], rows, ev.ofPopulation[p])) continue;
    rest.push(parts[c]);
    if (state & HITS) told = true;
    if (state & COMPLETE) continue;
    if (state & INFORMED && !(one.most?.[p] <= limit[p]) && highOf(ev, about, parts[c], rows, one, p) > limit[p]) isOpen = true;
    if (!isOpen && seenOf(ev, base, parts[c], rows, p) > Math.max(limit[p], 0)) isOpen = true;
  }
  const all = rest.length === 0;
  room.low[p] = rest.length === parts.length ? counted.low[p] : togetherIn(ev, base, rest, rows, p);
  return (told ? COUNTED : 0) | (isInformed ? BOUNDED : 0) | (all ? EXPLAINED : 0) | (isOpen ? UNRESOLVED : 0);
}

/** What a gate hits without its blockers that may have leaked into these cells, if that is more than the cap; else 0. */
export function leakedOf(ev, about, { shape: { parts }, rows }, p) {
  let most = 0;
  for (const part of parts) if (part.blockers.some((letter) => ev.leaks[rows[letter] * ev.P + p])) most = Math.max(most, bareOf(ev, about.base, part, rows, p));
  return most > about.limit[p] ? most : 0;
}

/** Hold a gate against the populations: marks and standing fraction of each go into `room`, and what is said outside the origin and inside it. */
function weighPopulations(ev, about, gate, counted, room) {
  const { limit, people, decides } = about, { samples, isOrigin } = ev, { low, state } = counted;
  room.outside = room.inside = 0;
  room.mayDecide = false;
  for (let p = ev.n_tumor; p < ev.P; p += 1) {
    let marks = COUNTED | BOUNDED;
    if (samples[p] || !(state[p] & COMPLETE)) marks = weighParts(ev, about, gate, counted, p, room); else room.low[p] = low[p];
    if (marks & COUNTED && (room.low[p] > limit[p] || (room.low[p] >= people.least[p] && peopleOver(ev, about, gate, p) > people.most[p]))) marks = (marks | BREAKS) & ~UNRESOLVED;
    else if (leakedOf(ev, about, gate, p) > 0) marks |= UNRESOLVED;
    room.marks[p] = marks;
    if (isOrigin[p]) room.inside |= marks; else { room.outside |= marks; if (marks & BOUNDED && decides[p]) room.mayDecide = true; }
  }
}

/** What summaries and stains say of a gate, as bits over the units: exposed, unresolved, without a value, and where cells decide instead. */
function weighUnits(ev, about, { shape: { parts }, rows }, room) {
  const { width } = ev;
  for (let w = 0; w < width; w += 1) {
    let exposed = 0, open = 0, unknown = 0, spoken = 0;
    for (const { plain, blockers } of parts) {
      let above = 0, maybe = -1, known = -1, one = 0, two = 0;
      for (const letter of plain) {
        const at = rows[letter] * width + w, explained = about.explainedUnit[at];
        above |= about.above[at]; maybe &= about.maybe[at]; known &= about.known[at];
        two |= one & explained; one |= explained;
      }
      let some = one;
      for (const letter of blockers) { const typed = about.typedUnit[rows[letter] * width + w]; two |= some & typed; some |= typed; }
      const there = maybe & above, explained = one & two;
      if (plain.length === 1) exposed |= there & ~explained; else open |= there & ~explained;
      spoken |= there & explained;
      unknown |= ~known & maybe & ~(there & ~explained);
    }
    room.exposed[w] = exposed;
    room.open[w] = open & ~exposed;
    room.unknown[w] = unknown & ~exposed & ~open;
    room.unitExplained[w] = spoken & ~exposed & ~open;
  }
}

/** Required places in which nothing can decide about a gate, as bits. */
function weighPlaces(ev, about, { shape: { parts }, rows }, counted, room) {
  const { R, required } = about;
  room.undecided.fill(0);
  for (let c = 0; c < parts.length; c += 1) {
    const { plain } = parts[c], one = counted.parts[c];
    let left = 0;
    for (let r = 0; r < R; r += 1) {
      let summed = -1, below = 0;
      for (const letter of plain) { summed &= about.summed[rows[letter] * R + r]; below |= about.below[rows[letter] * R + r]; }
      left |= room.missing[r] = required.all[r] & ~(summed | below);
    }
    for (let i = 0; left && i < about.telling.length; i += 1) {
      const p = about.telling[i], state = one.state[p];
      if (!(state & INFORMED) || !(state & COMPLETE || highOf(ev, about, parts[c], rows, one, p) <= about.limit[p])) continue;
      left = 0;
      for (let r = 0; r < R; r += 1) left |= room.missing[r] &= ~required.ofPopulation[p][r];
    }
    for (let r = 0; r < R; r += 1) room.undecided[r] |= room.missing[r];
  }
}

/** Upper and lower bound of the posterior median, cheap: most places cannot be the worst. */
const ceiling = (f, n) => (f < 0.5 ? (n * f + 0.5) / (n + 1) : n > 1 ? Math.min(1, f + (f - 0.5) / (n - 1)) : 1);
const bottom = (f, n) => (f >= 0.5 ? (n * f + 0.5) / (n + 1) : n > 1 && n * f > 0.5 ? (n * f - 0.5) / (n - 1) : 0);

/** Level of a gate as `quantise_level` writes it: the least of an AND, the highest of an OR; a blocker is not asked. `MISSING` where one is unknown. */
export function levelOf({ shape, rows }, array, width, column) {
  const level = ({ parts, isAny, place, negated }) => {
    if (!parts) return negated ? null : array[rows[place] * width + column];
    const known = parts.map(level).filter((one) => one !== null);
    return known.length === 0 ? null : known.includes(MISSING) ? MISSING : isAny ? Math.max(...known) : Math.min(...known);
  };
  return level(shape.tree);
}

/** Level by which ties are broken; −1 where it is not known. In observations that of an AND or OR is reckoned from its antigens'. */
function tieLevel(ev, gate, place) {
  const u = place - ev.P;
  const code = u < 0 ? levelOf(gate, ev.arrays.level, ev.P, place) : ev.rna[u] ? levelOf(gate, ev.arrays.value, ev.units.length, u) : MISSING;
  return code === MISSING ? -1 : code / 256;
}

/** The place that is named of several alike: what was counted, then the highest level, then the first name. */
export function firstOf(ev, gate, places) {
  if (places.length < 2) return places[0] ?? -1;
  const keys = new Map(places.map((place) => [place, { counted: Number(place < ev.P), level: tieLevel(ev, gate, place), name: placeName(ev, place) }]));
  return places.reduce((x, y) => {
    const [a, b] = [keys.get(x), keys.get(y)];
    return (b.counted - a.counted || b.level - a.level || (a.name < b.name ? -1 : a.name > b.name ? 1 : x - y)) > 0 ? y : x;
  });
}

/** Highest value and its place among candidates [value, place]. */
export function worstPlace(ev, gate, found) {
  let value = -1;
  for (const [own] of found) if (own > value) value = own;
  return value < 0 ? { value: null, where: -1 } : { value, where: firstOf(ev, gate, found.filter(([own]) => own >= value - ROUNDING).map(([, place]) => place)) };
}

/** Weight × exposure in the populations and units of one side (outside the origin, or inside it) that may be the worst. */
export function exposuresOf(ev, about, room, isInside) {
  const found = [];
  let least = 0;
  const asked = about.deciding[isInside], { weight, base: { n } } = about, { low, marks } = room;
  for (let i = 0; i < asked.length; i += 1) {
    const p = asked[i];
    if (marks[p] & COUNTED) { const load = weight[p] * bottom(low[p], n[p]); if (load > least) least = load; }
  }
  for (const { load, mask } of about.loads) {
    let isFound = false;
    for (let w = 0; w < ev.width; w += 1) {
      const word = mask[w] & room.exposed[w] & (isInside ? ev.unitOrigin[w] : ~ev.unitOrigin[w]);
      for (let rest = word; rest; rest &= rest - 1) { isFound = true; found.push([load, ev.P + 32 * w + 31 - Math.clz32(rest & -rest)]); }
    }
    if (isFound) { least = Math.max(least, load); break; }
  }
  for (let i = 0; i < asked.length; i += 1) {
    const p = asked[i];
    if (marks[p] & COUNTED && weight[p] * ceiling(low[p], n[p]) >= least - ROUNDING) found.push([weight[p] * medianOf(about, p, low[p]), p]);
  }
  return found;
}

/**
 * Vital tissue stands above the tumour: of some conjunction without a blocker every part does, each antigen and those that must
 * meet in one cell. `closing` numbers the parts and tissues (cartarget.report.closing); where cells decide, antigens together are not asked.
 */
function isClosed(about, { shape: { parts }, rows, closing }) {
  if (!closing?.length) return false;
  const shut = (letters) => {
    const mask = letters.reduce((sum, letter) => sum + 2 ** letter, 0), part = { plain: letters, blockers: [] };
    return closing.some((code) => Math.floor(code / about.T) === mask && (letters.length === 1 || !isExplained(about, part, rows, code % about.T)));
  };
  return parts.some(({ plain, blockers }) => !blockers.length && plain.every((letter) => shut([letter])) && choicesOf(plain).every(shut));
}

/** Room for what is said of one gate. */
export const roomOf = (ev, { R }) => ({ marks: new Uint8Array(ev.P), low: new Float64Array(ev.P), exposed: new Uint32Array(ev.width), open: new Uint32Array(ev.width),
  unknown: new Uint32Array(ev.width), unitExplained: new Uint32Array(ev.width), undecided: new Uint32Array(R), missing: new Uint32Array(R) });

/** Judge one gate; what is said of each place stays in `room`. */
function judgeOne(ev, about, gate, counted, room) {
  weighPopulations(ev, about, gate, counted, room);
  weighUnits(ev, about, gate, room);
  weighPlaces(ev, about, gate, counted, room);
  const { outside, inside } = room, { coverage, reach } = counted;
  let doubt = !room.mayDecide || (outside & UNRESOLVED) > 0, isUnsafe = (outside & BREAKS) > 0, isHome = (inside & BREAKS) > 0, isHomeDoubt = (inside & UNRESOLVED) > 0;
  for (let w = 0; w < ev.width; w += 1) {
    const hit = room.exposed[w] & about.capped[w], open = room.open[w] & about.capped[w], home = ev.unitOrigin[w];
    if (hit & ~home) isUnsafe = true;
    if (hit & home) isHome = true;
    if (open & ~home) doubt = true;
    if (open & home) isHomeDoubt = true;
  }
  for (let r = 0; r < about.R; r += 1) { if (room.undecided[r] & about.required.outside[r]) doubt = true; if (room.undecided[r] & about.required.inside[r]) isHomeDoubt = true; }
  if (gate.shape.parts.some(({ plain }) => plain.some((letter) => ev.isHarmed[gate.rows[letter]]))) doubt = true;
  if (isClosed(about, gate)) isUnsafe = true;
  const { value: liability, where } = worstPlace(ev, gate, exposuresOf(ev, about, room, 0));
  return { coverage, reach, liability, where, kind: isUnsafe ? 3 : doubt ? 2 : isHome || isHomeDoubt ? 1 : 0, isKnown: !doubt && !isHomeDoubt, selectivity: reach - (liability ?? 0) };
}

/** Name of a place, as the tables have it: populations first, then units with their atlas, then required places. */
export function placeName(ev, where) {
  if (where < 0) return null;
  if (where < ev.P) return ev.populations[where].population;
  if (where >= ev.P + ev.units.length) return ev.required[where - ev.P - ev.units.length];
  const unit = ev.units[where - ev.P];
  return `${unit.population} (${unit.atlas})`;
}

/** Donors or observations behind a place; null for a summary or stain, which tells none. */
export const behind = (ev, where, name) => ev.populations[where]?.[name] ?? null;

/** What a place rests on: cells, samples, a summary, a stain; null for one that nothing measured. */
export const evidenceOf = (ev, where) => ev.populations[where]?.kind ?? ev.units[where - ev.P]?.evidence ?? null;

/** A judge for settings. At each threshold it keeps what the last ones did not move: counts, medians, and classes if only the floor moved. */
export function judgeOf(ev, closing = []) {
  const held = new Map();
  const alone = Array.from({ length: ev.n }, (_, row) => ({ shape: ALONE, rows: [row], closing: closing[row] }));
  return (settings) => {
    if (!held.has(settings.threshold)) held.set(settings.threshold, { base: countAntigens(ev, settings.threshold), counts: new Map(), key: "" });
    const kept = held.get(settings.threshold), { base, counts } = kept;
    const key = JSON.stringify([settings.tiers, settings.tolerated]);
    if (kept.key !== key) {
      const about = knownOf(ev, base, settings);
      Object.assign(kept, { key, about, room: roomOf(ev, about), judged: new Map() });
    }
    const { about, room, judged } = kept;
    const countsOf = (list) => { if (!counts.has(list)) counts.set(list, countGates(ev, base, list)); return counts.get(list); };
    const gates = (list) => {
      if (!judged.has(list)) judged.set(list, judgeAll(ev, about, list, countsOf(list), room));
      const found = judged.get(list);
      return { ...found, isEligible: Uint8Array.from(found.coverage, (coverage) => (coverage >= settings.floor - ROUNDING ? 1 : 0)) };
    };
    const one = (gate) => {
      const own = roomOf(ev, about);
      const counted = countGate(ev, about.base, gate, numbersFor(ev, sizeOf(gate)));
      return { ...judgeOne(ev, about, gate, counted, own), counted, room: own };
    };
    /** Classes of gates, no better than `kind`; those that are over cap already are not asked. */
    const worse = (list, kind) => { const counted = countsOf(list); return Uint8Array.from(list, (gate, g) => (kind[g] < 3 ? Math.max(kind[g], judgeOne(ev, about, gate, counted[g], room).kind) : kind[g])); };
    return { about, singles: () => gates(alone), gates, worse, worseSingles: (kind) => worse(alone, kind), one };
  };
}

function judgeAll(ev, about, gates, counts, room) {
  const n = gates.length;
  const out = { coverage: new Float64Array(n), liability: new Float64Array(n), selectivity: new Float64Array(n), where: new Int32Array(n), kind: new Uint8Array(n) };
  for (let g = 0; g < n; g += 1) {
    const one = judgeOne(ev, about, gates[g], counts[g], room);
    out.coverage[g] = one.coverage;
    out.liability[g] = one.liability ?? NaN;
    out.selectivity[g] = one.selectivity;
    out.where[g] = one.where;
    out.kind[g] = one.kind;
  }
  return out;
}

/** Greatest fraction that a gate hits in a population: what its conjunctions hit at most, together. */
export function highestOf({ shape: { parts } }, counted, p) {
  if (counted.parts.every(({ state }) => state[p] & COMPLETE)) return counted.low[p];
  const sum = counted.parts.reduce((total, { low, most, state }) => total + (most ? most[p] : state[p] & COMPLETE ? low[p] : 1), 0);
  return parts.length === 1 ? sum : Math.max(Math.min(sum, 1), counted.low[p]);
}
