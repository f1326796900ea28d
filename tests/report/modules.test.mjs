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
    "exposure.flags": ["u1", Uint8Array.of(3, 0, 3, 1)], "exposure.fraction": four(250, -32768, -32768, -32768), "exposure.fraction_lower": four(100, -32768, 0, 0),
    "exposure.fraction_upper": four(400, -32768, 1000, 1000), "exposure.fraction_naive": four(-32768, -32768, -32768, -32768), "exposure.level": four(512, -32768, 406, -32768),
    "exposure.n_observations": four(10, -1, -1, -1), "exposure.n_donors": four(9, -1, -1, -1), "exposure.n_positive": four(2, -1, -1, -1) }));
  const rows = exposure(block);
  const [known, stain] = rows("A");
  assert.deepEqual([known.fraction, known.lower, known.upper, known.level, known.n_donors, known.is_measured], [0.25, 0.1, 0.4, 3, 9, true]);
  assert.equal(stain.level, 2, "a stain is a grade again");
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

test("why not: exact names first, case aside", () => {
  const model = { antigens: { rowOf: new Map([["CEACAM5", 0], ["CEACAM6", 1]]) }, lost: new Map([["CEA", "ambiguous"], ["ACTB", "no vote"]]) };
  assert.deepEqual(explain(model, "cea").map(({ name }) => name), ["CEA", "CEACAM5", "CEACAM6"]);
  assert.equal(explain(model, "actb")[0].reason, "no vote");
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
