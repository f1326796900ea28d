// Judge gates with the page's own modules: reads a file of plain data, writes one.

import { readFileSync, writeFileSync } from "node:fs";

const [, , assets, given, out] = process.argv;
const { decode } = await import(`${assets}/payload.js`);
const { openEvidence, judgeOf } = await import(`${assets}/judge.js`);
const { redundantOf, rankRows, ideasOf } = await import(`${assets}/rerank.js`);
const { detailsOf, exposureOf } = await import(`${assets}/details.js`);

const { block, a, b, op, tie, settings, symbols } = JSON.parse(readFileSync(given, "utf8"));
const ev = openEvidence(await decode(block));
const list = { a, b, op };
const judge = judgeOf(ev);
const result = settings.map((one) => {
  const now = judge(one);
  const single = now.singles(), gates = now.gates(list);
  const redundant = redundantOf(list, gates, single, ev.gain);
  const ranked = rankRows(gates, { tie, competes: Array.from(redundant, (is) => !is) });
  const ideas = ideasOf(ranked.order, { rank: ranked.rank, kind: gates.kind, list }).map(({ g, alike }) => [g, alike]);
  return { redundant: [...redundant], rank: [...ranked.rank], ideas, quick: [...gates.liability].map((value) => (Number.isNaN(value) ? null : value)), rows: a.map((_, g) => detailsOf(ev, now, a[g], b[g], op[g], one)),
    exposure: symbols ? a.map((_, g) => exposureOf(ev, now, a[g], b[g], op[g])) : [] };
});
writeFileSync(out, JSON.stringify(result));
