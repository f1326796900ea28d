// The ranking and the shortlist again, from judged gates, by the rules of cartarget.selection. Pure.

import { membersOf } from "./gate.js";

const EPSILON = 1e-9;
const rounded = (value) => Math.round(value * 1e9) / 1e9;

/** Does a gate gain on a member: a better class, a better worst class around the threshold, or selectivity by the run's gain? */
const gainsOn = (judged, firm, g, alone, firmAlone, m, gain) => judged.kind[g] < alone.kind[m] || firm[g] < firmAlone[m] || judged.selectivity[g] >= alone.selectivity[m] + gain - EPSILON;

/** Which gates gain nothing on some member. A single antigen is never redundant. */
export const redundantOf = (gates, { judged, firm }, { alone, firmAlone }, gain) => Uint8Array.from(gates, (gate, g) => Number(membersOf(gate).some((m) => !gainsOn(judged, firm, g, alone, firmAlone, m, gain))));

/** Places of the thresholds at half and at twice another one, of those that were counted. */
export function aroundOf(thresholds, at, isCells) {
  const own = thresholds[at], half = isCells ? Math.floor(own / 2) : own / 2;
  return [half, 2 * own].map((value) => thresholds.findIndex((one) => Math.abs(one - value) < EPSILON)).filter((place) => place >= 0 && place !== at);
}

/** Order rows from best to worst, and number those that compete. `firm` is the worst class around the threshold; `tie` settles what score and class leave open. */
export function rankRows(judged, { firm, tie, competes }) {
  const score = Float64Array.from(judged.selectivity, (value, g) => (judged.kind[g] === 3 ? 0 : rounded(value)));
  const order = Array.from(judged.kind, (_, g) => g).sort((x, y) => judged.isEligible[y] - judged.isEligible[x]
    || firm[x] - firm[y] || judged.kind[x] - judged.kind[y] || score[y] - score[x] || tie[x] - tie[y]);
  const rank = new Int32Array(order.length).fill(-1);
  let place = 0;
  for (const g of order) if (judged.isEligible[g] && competes[g]) rank[g] = place += 1;
  return { order, rank };
}

/** The best-supported gate of each idea: a gate that senses an antigen of one above it is a variation of that one. */
export function ideasOf(order, { rank, judged, firm, gates, gain, isListable = () => true, support = () => 0, most = 15 }) {
  const { kind, selectivity } = judged, ideaOf = new Map(), ideas = [];
  const fit = order.filter((g) => rank[g] > 0 && firm[g] < 3 && isListable(g));
  const sensedBy = new Map(fit.map((g) => [g, gates[g].shape.sensed.map((letter) => gates[g].rows[letter])]));
  const isNear = (g, first) => kind[g] === kind[first] && (firm[g] === firm[first] || Math.max(firm[g], firm[first]) <= 1) && selectivity[g] > selectivity[first] - gain
    && sensedBy.get(g).some((one) => sensedBy.get(first).includes(one)) && !sensedBy.get(g).some((one) => ideaOf.has(one));
  for (const g of fit) {
    const known = sensedBy.get(g).map((one) => ideaOf.get(one)).filter((idea) => idea !== undefined);
    if (known.length > 0) ideas[Math.min(...known)].alike.add(g);
    else if (ideas.length < most) {
      let best = g;
      for (const other of fit) if (isNear(other, g) && support(other) > support(best)) best = other;
      for (const one of sensedBy.get(best)) ideaOf.set(one, ideas.length);
      ideas.push({ g: best, alike: new Set([g]) });
    }
  }
  return ideas.map(({ g, alike }) => { alike.delete(g); return { g, alike: alike.size }; });
}
