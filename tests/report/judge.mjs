// Judge gates with the page's own modules: reads a file of plain data, writes one.

import { readFileSync, writeFileSync } from "node:fs";

const [, , assets, given, out] = process.argv;
const { decode } = await import(`${assets}/payload.js`);
const { openEvidence } = await import(`${assets}/counted.js`);
const { judgeOf } = await import(`${assets}/judge.js`);
const { readGate } = await import(`${assets}/gate.js`);
const { aroundOf, redundantOf, rankRows, ideasOf } = await import(`${assets}/rerank.js`);
const { detailsOf, exposureOf } = await import(`${assets}/details.js`);

const { block, texts, closing, tie, settings, exposed } = JSON.parse(readFileSync(given, "utf8"));
const ev = openEvidence(await decode(block));
const gates = texts.map((text, g) => { const { shape, symbols } = readGate(text); return { shape, rows: symbols.map((symbol) => ev.rowOf.get(symbol)), closing: closing[g] }; });
const own = new Map(gates.filter(({ rows }) => rows.length === 1).map(({ rows: [row], closing: tissues }) => [row, tissues]));
const judge = judgeOf(ev, Array.from({ length: ev.n }, (_, row) => own.get(row)));
const result = settings.map((one, i) => {
  const now = judge(one);
  const single = now.singles(), judged = now.gates(gates);
  const others = aroundOf(ev.thresholds, one.threshold, ev.isCells).map((threshold) => judge({ ...one, threshold }));
  const firm = others.reduce((kind, other) => other.worse(gates, kind), judged.kind), firmAlone = others.reduce((kind, other) => other.worseSingles(kind), single.kind);
  const redundant = redundantOf(gates, { judged, firm }, { alone: single, firmAlone }, ev.gain);
  const ranked = rankRows(judged, { firm, tie, competes: Array.from(redundant, (is) => !is) });
  const ideas = ideasOf(ranked.order, { rank: ranked.rank, judged, firm, gates, gain: ev.gain }).map(({ g, alike }) => [g, alike]);
  return { redundant: [...redundant], rank: [...ranked.rank], ideas, quick: [...judged.liability].map((value) => (Number.isNaN(value) ? null : value)), where: [...judged.where],
    kind: [...judged.kind], rows: gates.map((gate) => detailsOf(ev, now, gate, one)), exposure: exposed && i === 0 ? gates.map((gate) => exposureOf(ev, now, gate)) : [] };
});
writeFileSync(out, JSON.stringify(result));
