// The ranking and the shortlist again, from judged gates, by the rules of cartarget.selection. Pure.

import { membersOf } from "./gate.js";

const EPSILON = 1e-9;
const rounded = (value) => Math.round(value * 1e9) / 1e9;

/** Does a gate gain on a member: a better class, or selectivity by the run's gain? */
const gainsOn = (judged, g, alone, m, gain) => judged.kind[g] < alone.kind[m] || judged.selectivity[g] >= alone.selectivity[m] + gain - EPSILON;

/** Which gates gain nothing on some member. A single antigen is never redundant. */
export const redundantOf = (gates, judged, alone, gain) => Uint8Array.from(gates, (gate, g) => Number(membersOf(gate).some((m) => !gainsOn(judged, g, alone, m, gain))));

/** Order rows from best to worst, and number those that compete. `tie` settles what score and class leave open. */
export function rankRows(judged, { tie, competes }) {
  const score = Float64Array.from(judged.selectivity, (value, g) => (judged.kind[g] === 3 ? 0 : rounded(value)));
  const order = Array.from(judged.kind, (_, g) => g).sort((x, y) => judged.isEligible[y] - judged.isEligible[x]
    || judged.kind[x] - judged.kind[y] || score[y] - score[x] || tie[x] - tie[y]);
  const rank = new Int32Array(order.length).fill(-1);
  let place = 0;
  for (const g of order) if (judged.isEligible[g] && competes[g]) rank[g] = place += 1;
  return { order, rank };
}

/** The best gate of each idea: a gate that senses an antigen of one above it is a variation of that one. */
export function ideasOf(order, { rank, kind, gates, most = 15 }) {
  const ideaOf = new Map(), ideas = [];
  for (const g of order) {
    if (rank[g] < 0 || kind[g] === 3) continue;
    const sensed = gates[g].shape.sensed.map((letter) => gates[g].rows[letter]);
    const known = sensed.map((one) => ideaOf.get(one)).filter((idea) => idea !== undefined);
    if (known.length > 0) ideas[Math.min(...known)].alike += 1;
    else if (ideas.length < most) {
      for (const one of sensed) ideaOf.set(one, ideas.length);
      ideas.push({ g, alike: 0 });
    }
  }
  return ideas;
}
