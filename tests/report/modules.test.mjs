// The page's modules by themselves, in node: no browser, no page.

import assert from "node:assert/strict";
import { gzipSync } from "node:zlib";
import { test } from "node:test";

const { decode, table, exposure } = await import("./assets/payload.js");
const { fractionText, signed, levelText, countText, names } = await import("./assets/dom.js");
const { numberTest, csv } = await import("./assets/grid.js");
const { front } = await import("./assets/window.js");
const { explain } = await import("./assets/search.js");
const { bestOf, comparedNames, compareLink } = await import("./assets/compare.js");
const { groupTissues } = await import("./assets/tissues.js");

function payload(header, arrays) {
  const places = {};
  const chunks = [];
  let offset = 0;
  for (const [name, [type, values]] of Object.entries(arrays)) {
    const bytes = Buffer.from(values.buffer);
    const padded = Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
    places[name] = [type, offset, values.length];
    chunks.push(padded);
    offset += padded.length;
  }
  let head = Buffer.from(JSON.stringify({ ...header, arrays: places }));
  head = Buffer.concat([head, Buffer.from(" ".repeat((4 - (head.length % 4)) % 4))]);
  const size = Buffer.alloc(4);
  size.writeUInt32LE(head.length);
  return gzipSync(Buffer.concat([size, head, ...chunks])).toString("base64");
}

test("a table is read back; what is missing is null, not zero", async () => {
  const columns = [{ name: "symbol", kind: "text", words: ["A", "B"] }, { name: "coverage", kind: "fraction" }, { name: "is_eligible", kind: "flag" },
    { name: "rank", kind: "count" }, { name: "window", kind: "number" }];
  const block = await decode(payload({ antigens: { n: 2, columns } }, {
    "antigens.symbol": ["i2", Int16Array.of(1, 0)], "antigens.coverage": ["i2", Int16Array.of(-32768, 5000)], "antigens.is_eligible": ["i1", Int8Array.of(-1, 0)],
    "antigens.rank": ["i4", Int32Array.of(-1, 7)], "antigens.window": ["f4", Float32Array.of(NaN, 1.5)] }));
  const antigens = table(block, "antigens");
  assert.deepEqual(antigens.columns.map((column) => column.get(0)), ["B", null, null, null, null]);
  assert.deepEqual(antigens.columns.map((column) => column.get(1)), ["A", 0.5, false, 7, 1.5]);
  assert.equal(antigens.rowOf.get("A"), 1);
  assert.equal(antigens.value(0, "no_such_column"), null);
});

test("exposure without a row is not measured and lies between 0 and 1", async () => {
  const places = [{ population: "liver", evidence: "samples" }, { population: "liver", evidence: "protein" }];
  const four = (...values) => ["i2", Int16Array.of(...values)];
  const block = await decode(payload({ exposure: { gates: ["A", "B"], places } }, {
    "exposure.flags": ["u1", Uint8Array.of(3, 0, 11, 1)], "exposure.fraction": four(250, -32768, -32768, -32768), "exposure.fraction_lower": four(100, -32768, 0, 0),
    "exposure.fraction_upper": four(400, -32768, 1000, 1000), "exposure.fraction_naive": four(-32768, -32768, -32768, -32768), "exposure.level": four(512, -32768, 406, -32768),
    "exposure.n_observations": four(10, -1, -1, -1), "exposure.n_donors": four(9, -1, -1, -1), "exposure.n_positive": four(2, -1, -1, -1),
    "exposure.fraction_trans": four(300, -32768, -32768, -32768), "exposure.power": four(900, -32768, -32768, -32768), "exposure.people_over_cap": four(1, -1, -1, -1) }));
  const rows = exposure(block);
  const [known, stain] = rows("A");
  assert.deepEqual([known.fraction, known.lower, known.upper, known.level, known.n_donors, known.is_measured], [0.25, 0.1, 0.4, 3, 9, true]);
  assert.deepEqual([known.trans, known.power, known.people, known.decided], [0.3, 0.9, 1, "samples"]);
  assert.equal(stain.level, 2, "a stain is a grade again");
  assert.deepEqual([stain.trans, stain.power, stain.people, stain.decided], [null, null, null, "cells"]);
  const [absent, unmeasured] = rows("B");
  assert.deepEqual([absent.is_present, absent.is_measured, absent.fraction, absent.lower, absent.upper], [false, false, null, 0, 1]);
  assert.deepEqual([unmeasured.is_present, unmeasured.is_measured], [true, false]);
  assert.deepEqual(rows("NOT HERE"), []);
});

test("numbers are printed without false zeros and ones", () => {
  assert.deepEqual([null, 0, 0.001, 0.5, 0.999, 1].map(fractionText), ["", "0.00", "<0.01", "0.50", ">0.99", "1.00"]);
  assert.deepEqual([null, 0.5, -0.5].map(signed), ["", "+0.50", "−0.50"]);
  assert.deepEqual([0, 0.01, 0.2, 9.97, 10928].map(levelText), ["0", "<0.1", "0.2", "10", "10\u202f928"]);
  assert.equal(countText(1234567), "1\u202f234\u202f567");
});

test("lists of names are split", () => {
  assert.deepEqual(names("colon, rectum; lung | liver"), ["colon", "rectum", "lung", "liver"]);
  assert.deepEqual(names(null), []);
});

test("number filters", () => {
  const passes = (text, better, values) => values.filter(numberTest(text, better));
  assert.deepEqual(passes("0.5", "higher", [0.4, 0.5, 0.6]), [0.5, 0.6]);
  assert.deepEqual(passes("0.5", "lower", [0.4, 0.5, 0.6]), [0.4, 0.5]);
  assert.deepEqual(passes("> 0.5", "lower", [0.4, 0.5, 0.6]), [0.6]);
  assert.deepEqual(passes("≤−1", "higher", [-2, -1, 0]), [-2, -1]);
  assert.deepEqual(passes("0.1-0.3", "", [0, 0.1, 0.3, 0.4]), [0.1, 0.3]);
  assert.deepEqual(passes("-3–-1", "", [-4, -2, 0]), [-2]);
  assert.deepEqual(passes("nonsense", "", [1]), []);
  assert.equal(numberTest("  ", ""), null);
});

test("a CSV is quoted, and no cell is a formula", () => {
  const columns = [{ name: "gate", get: (i) => ["=cmd()", 'a "b", c', "A & B"][i] }, { name: "coverage", get: (i) => [null, 0.123456789, -0.5][i] }];
  assert.equal(csv({}, [0, 1, 2], columns), 'gate,coverage\r\n\'=cmd(),\r\n"a ""b"", c",0.123457\r\nA & B,-0.5\r\n');
});

test("the front holds what nothing beats", () => {
  const points = [[0.1, 0.5], [0.2, 0.4], [0.3, 0.9], [0.3, 0.8], [0.9, 1]].map(([across, coverage]) => ({ across, coverage }));
  assert.deepEqual(front(points, { lower: true }).map(({ across, coverage }) => [across, coverage]), [[0.1, 0.5], [0.3, 0.9], [0.9, 1]]);
  assert.deepEqual(front(points, { lower: false }).map(({ coverage }) => coverage), [1]);
  assert.deepEqual(front([], { lower: true }), []);
});

test("why not: exact names first, then other names, then beginnings, case aside", () => {
  const model = { aliases: "CEACAM5|CD66e|CEA\nVSIR|B7-H5|C10orf54\nERBB2|HER2", antigens: { rowOf: new Map([["CEACAM5", 0], ["CEACAM6", 1]]) }, lost: new Map([["CEA", "ambiguous"], ["ACTB", "no vote"]]) };
  assert.deepEqual(explain(model, "cea").map(({ name }) => name), ["CEA", "CEACAM5", "CEACAM6"]);
  assert.equal(explain(model, "actb")[0].reason, "no vote");
  model.lost.set("VSIR", "no vote");
  assert.deepEqual(explain(model, "c10ORF54"), [{ name: "VSIR", other: "C10orf54", row: undefined, reason: "no vote" }]);
  assert.deepEqual(explain(model, "b7-h").map(({ name }) => name), ["VSIR"], "the beginning of another name");
  assert.deepEqual(explain(model, "CD66").map(({ name, row }) => [name, row]), [["CEACAM5", 0]]);
  assert.deepEqual(explain(model, "(*["), []);
  assert.deepEqual(explain(model, " "), []);
  assert.deepEqual(explain(model, "NOPE"), []);
});

test("tissues: vital and required first, then the worst; unmeasured tissues stay in the list", () => {
  const row = (tissue, tier, fraction) => ({ tissue, population: tissue, tier, side: "normal", evidence: "samples", is_measured: true, is_present: true, fraction, upper: fraction });
  const run = { tissues: [{ tissue: "skin", tier: "important" }, { tissue: "spinal cord", tier: "vital" }, { tissue: "heart", tier: "vital", required: true },
    { tissue: "lung", tier: "vital", required: true }] };
  const order = groupTissues(run, [row("skin", "important", 1), row("heart", "vital", 0.1), row("lung", "vital", 0.4), row("tumour's surroundings", "important", 0.2)]);
  assert.deepEqual(order.map(({ tissue }) => tissue), ["lung", "heart", "spinal cord", "skin", "tumour's surroundings"]);
});

test("a comparison's address keeps every name whole", () => {
  const list = ["A & ~B", "</script>", "x,y", "100%"];
  assert.deepEqual(comparedNames(compareLink(list).slice("#compare=".length)), list);
  assert.deepEqual(comparedNames("%E0%A4%A,b"), ["%E0%A4%A", "b"]);
  assert.equal(comparedNames("a,b,c,d,e").length, 4);
});

test("best of a row: none where all are alike or unknown", () => {
  assert.equal(bestOf([0.2, 0.9, null], "higher"), 0.9);
  assert.equal(bestOf([0.2, 0.9], "lower"), 0.2);
  assert.equal(bestOf([0.9, 0.9], "lower"), null);
  assert.equal(bestOf([0.9, null], "lower"), null);
  assert.equal(bestOf([0.1, 0.9], ""), null);
});

const { posterior, highestFraction, betaCdf, studentRatio, needOf, mostPeople } = await import("./assets/special.js");
const { readGate, combinations, gateText, symbolsOf, membersOf } = await import("./assets/gate.js");
const { crossed, curveOf } = await import("./assets/counts.js");
const { sayChange, movesOf, changedConfig, changedTiers, thresholdText } = await import("./assets/words.js");
const { addressOf } = await import("./assets/trust.js");
const { stepOf, tintOf } = await import("./assets/body.js");

test("the beta distribution agrees with SciPy", () => {
  const close = (a, b, by = 1e-12) => assert.ok(Math.abs(a - b) < by, `${a} ${b}`);
  close(posterior(0, 10, 0.5), 0.021940166768717413);
  close(posterior(0, 10, 0.95), 0.1707731082448478);
  close(betaCdf(2, 3, 0.4), 0.5248, 1e-14);
  close(posterior(0.5, 100, 0.5), 0.5);
  close(studentRatio(4), (1.959963984540054 / 2.7764451051977987) ** 2, 1e-12);
  assert.deepEqual([[20, 0.05], [100, 0.05], [3, 0.2], [1, 0.05], [5, 0]].map(([m, cap]) => needOf(m, cap, 0.05)), [4, 10, 3, 2, 1]);
  assert.deepEqual([[30, 0.05], [100, 0.05], [5, 0.05], [5, 0]].map(([n, cap]) => mostPeople(n, cap)), [1, 4, 0, 0]);
  assert.equal(highestFraction(1, 5), 1);
  assert.equal(highestFraction(0, 5), -1);
  close(posterior(highestFraction(0.05, 80), 80, 0.5), 0.05, 1e-10);
});

test("gates are read and written as the package does", () => {
  const shape = (text) => readGate(text).shape;
  assert.deepEqual([readGate("A & ~`b c`").symbols, shape("A & ~`b c`").parts], [["A", "b c"], [{ plain: [0], blockers: [1] }]]);
  assert.deepEqual(shape("~B & A").parts, [{ plain: [1], blockers: [0] }]);
  assert.deepEqual(shape("A & (B | ~C)").parts, [{ plain: [0, 1], blockers: [] }, { plain: [0], blockers: [2] }]);
  assert.deepEqual(shape("A & B & A").parts, [{ plain: [0, 1], blockers: [] }]);
  assert.deepEqual(shape("A | A & B").parts, [{ plain: [0], blockers: [] }], "what another conjunction contains is left out");
  assert.deepEqual(shape("A & ~A | B").parts, [{ plain: [1], blockers: [] }], "what nothing can meet is left out");
  assert.deepEqual(membersOf({ shape: shape("A & ~B"), rows: [7, 9] }), [7]);
  assert.deepEqual(membersOf({ shape: shape("HLA-A"), rows: [7] }), []);
  for (const none of ["~A", "A | ~B", "~(A & B)", "A & ~A"]) assert.equal(shape(none), null, none);
  for (const none of ["", "A &", "A ^ B", "A B", "(A", "A)", "&", "<b>"]) assert.equal(readGate(none), null, none);
  const three = readGate("(A | B) & ~C");
  assert.deepEqual([three.symbols, [...three.blockers]], [["A", "B", "C"], ["C"]]);
  assert.deepEqual(combinations(3).filter(three.hits), [[true, true, false], [true, false, false], [false, true, false]]);
  assert.deepEqual(combinations(3).filter(readGate("A & B | C").hits).length, 5, "AND binds before OR");
  assert.deepEqual(combinations(2).filter(readGate("~(~A | ~~B)").hits), [[true, false]]);
  assert.equal(gateText("MSLN", "&", "CEACAM5"), "CEACAM5 & MSLN");
  assert.equal(gateText("MSLN", "& ~", "CEACAM5"), "MSLN & ~CEACAM5");
  assert.equal(gateText("x y", "|", "AND"), "`AND` | `x y`");
  assert.deepEqual(symbolsOf("(A | `b & c`) & ~HLA-A"), ["A", "b & c", "HLA-A"]);
});

test("a truth table counts every observation once", () => {
  // two populations of three and two observations, each from a word of its own; three antigens
  const words = Uint32Array.of(0b011, 0b10, 0b110, 0b10, 0b111, 0b00);
  const counted = { W: 2, S: 2, starts: [0, 1, 2], owner: [0, 1], arrays: { "words.0": words }, populations: [{ n_observations: 3 }, { n_observations: 2 }] };
  const carried = (population, size) => combinations(3).map((has) => Array.from({ length: size }, (_, bit) => has.every((one, row) => one === (((words[row * 2 + population] >> bit) & 1) === 1))).filter(Boolean).length);
  assert.deepEqual(crossed(counted, 0, [0, 1, 2], [0]), carried(0, 3));
  assert.deepEqual(crossed(counted, 0, [0, 1, 2], [1]), carried(1, 2));
  assert.deepEqual(crossed(counted, 0, [0, 1, 2], [0, 1]), carried(0, 3).map((one, line) => one + carried(1, 2)[line]));
  assert.deepEqual(crossed(counted, 0, [2, 0], [0]), [2, 1, 0, 0]);
});

const ev = { thresholds: [1, 2], unit: "counts", isCells: true, reference: { vital: { weight: 1, cap: 0.05 }, tolerable: { weight: 0.1, cap: 1 } },
  tiers: "# a comment\ntissue\ttier\tweight\tcap\nlung\tvital\t\t\nheart\tvital\t1\t0.02\nskin\ttolerable\t0.1\t1\n" };
const start = { threshold: 0, floor: 0.5, surface: 0, tolerated: [], tiers: structuredClone(ev.reference) };

test("what was moved is said in words and saved as files", () => {
  assert.deepEqual(movesOf(ev, start, start), []);
  const moved = { ...start, threshold: 1, tolerated: ["lung", "skin"], tiers: { ...start.tiers, vital: { weight: 0.8, cap: 0.05 } } };
  assert.deepEqual(movesOf(ev, start, moved), ["tolerating lung and skin", "counting from 2 counts on", "a weight of 0.80 for vital tissues"]);
  assert.equal(thresholdText(ev, 0), "1 count");
  const lines = changedTiers(ev, moved).split("\n");
  assert.deepEqual(lines.slice(2, 5), ["lung\tvital\t0.1\t1", "heart\tvital\t1\t0.02", "skin\ttolerable\t0.1\t1"], "a row with a cap of its own keeps it");
  const saved = changedConfig(ev, start, moved, { config: { name: "x", thresholds: { count: 1 }, tiers: "a.tsv" }, tiersFile: "b.tsv" });
  assert.match(saved, /name: "x-argued"/);
  assert.match(saved, /thresholds: \{"count":2\}/);
  assert.match(saved, /tiers: "b.tsv"/);
});

function result(kinds, ranks, settings, redundant = []) {
  const order = [...ranks.keys()].sort((a, b) => (ranks[a] < 0 ? 99 : ranks[a]) - (ranks[b] < 0 ? 99 : ranks[b]));
  return { settings, redundant: ranks.map((_, g) => redundant.includes(g)), gates: { kind: kinds, isEligible: ranks.map(() => 1) }, ranked: { gates: { order, rank: ranks } }, ideas: [{ g: order[0] }] };
}

test("a change says how many candidates come and go, and who leads", () => {
  const base = result([0, 3, 3], [1, 2, 3], start);
  const settings = { ...start, tolerated: ["stomach"] };
  const said = (now) => sayChange({ ev, start, base, now, nameOf: (g) => "ABC"[g] });
  assert.equal(said(result([0, 1, 0], [1, 3, 2], settings)), "Tolerating stomach adds 2 candidates, C first; 1 become 3. A still leads.");
  assert.match(said(result([0, 0, 3], [-1, 1, 2], settings, [0])), /adds 1 candidate, B first, and takes 1 away \(A first: a member does as well\); 1 become 1\. .*B now leads, before A\./);
  assert.match(said(result([0, 3, 3], [1, 2, 3], settings)), /^Tolerating stomach changes no candidate\. A still leads\.$/);
  assert.equal(said(result([0, 3, 3], [1, 2, 3], start)), "These are the run's own settings.");
});

test("identifiers lead to their sources, and nothing else does", () => {
  assert.equal(addressOf("NCT02850536"), "https://clinicaltrials.gov/study/NCT02850536");
  assert.equal(addressOf("doi:10.1/a?b#c"), "https://doi.org/10.1/a%3Fb%23c");
  assert.equal(addressOf("javascript:alert(1)"), null);
  assert.equal(addressOf("PMID:12 34"), null);
});

test("the body's tints keep their order, and what is not measured has none", () => {
  assert.deepEqual([null, 0, 0.01, 0.05, 0.3, 1].map(stepOf), [null, 0, 1, 2, 3, 4]);
  assert.deepEqual(tintOf({ rows: [] }), { value: null, words: "not measured" });
  const row = { is_present: true, is_measured: true, evidence: "samples", fraction: 0.25, level: null, upper: 1 };
  assert.deepEqual(tintOf({ rows: [row, { ...row, fraction: null, evidence: "summary", upper: 1 }] }), { value: 0.25, words: "0.25" }, "what is counted goes before a bound");
});

const { labelsApart } = await import("./assets/curve.js");

test("two labels on one edge never touch, and keep their order", () => {
  assert.deepEqual(labelsApart([20, 90], 100), [20, 90]);
  assert.deepEqual(labelsApart([50, 54], 100), [44.5, 59.5]);
  assert.deepEqual(labelsApart([54, 50], 100), [59.5, 44.5]);
  assert.deepEqual(labelsApart([50, 50], 50), [35, 50], "none is below the axis");
});

test("an antigen's curve is the run's where it has one", () => {
  const curves = { thresholds: [5, 10], antigens: { A: { coverage: [1, 0.5], liability: [0.2, null] } } };
  const ev = { thresholds: [5, 10, 20], base: 1 };
  assert.deepEqual(curveOf(curves, ["A"], ev), [
    { at: 5, text: "5", coverage: 1, liability: 0.2, isOwn: false }, { at: 10, text: "10", coverage: 0.5, liability: null, isOwn: true }]);
  assert.equal(curveOf(curves, ["B"], ev), null);
  assert.equal(curveOf({}, ["A"], ev), null);
});
