// The product behind an idea: what can build it, in which order, how it fails; who is missed, who is at risk, the panel.

import { el, pill, show, names, fractionText, plural } from "./dom.js";
import { sourced } from "./trust.js";

const DECIDED_BY = { cis: "cis: one cell carries all of it", trans: "trans: an armed T cell and the cell beside it" };
const MOST_ROWS = 12; // of a table on a card; the rest stand in the file

const rowsOn = (model, part, name) => (model.product?.[part] ?? []).filter((row) => !("gate" in row) || row.gate === name);
const sentences = (...parts) => parts.filter(Boolean).join(" ");

/** Whether the file holds what can build a gate. */
export const hasProduct = (model, name) => rowsOn(model, "hardware", name).length > 0;

function hardwareTable(rows) {
  const titles = ["Built as", "Decided by", "Safety", "Coverage", "Liability", "Where"];
  return el("table", { class: "plain product" }, el("thead", {}, el("tr", {}, titles.map((title, i) => el("th", { scope: "col", class: i === 3 || i === 4 ? "num" : null }, title)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, el("th", { scope: "row" }, row.hardware, row.prime && el("small", {}, `prime ${row.prime}, kill ${row.kill}`)), el("td", {}, DECIDED_BY[row.exposure] ?? row.exposure),
      el("td", {}, pill(row.safety_class)), el("td", { class: "num" }, fractionText(row.coverage)), el("td", { class: "num" }, row.liability === null ? "–" : fractionText(row.liability)), el("td", {}, row.liability_population ?? "")))));
}

/** The order of a construct that primes, and where a lesion would arm it. */
function orderOf(row) {
  if (!row.prime) return [];
  const seeded = names(row.tissues_seeded);
  return [["Order", row.order_reason],
    seeded.length > 0 && ["If the tumour is there", `${seeded.join(", ")}: spared only because ${row.prime} is not there. A lesion that brings it would arm the T cell against cells with ${row.kill}.`]].filter(Boolean);
}

function openOf(row) {
  const told = [["over cap in", row.tissues_broken], ["unresolved in", row.tissues_unresolved], ["not measured in", row.tissues_unmeasured]].filter(([, text]) => text);
  return told.length ? `${told.map(([words, text]) => `${words} ${text}`).join("; ")}.` : "";
}

const pairs = (list, kind) => list.length > 0 && el("dl", { class: `caveats ${kind}` }, list.map(([term, ...text]) => [el("dt", {}, term), el("dd", {}, text)]));

function hardwareView(model, rows) {
  const takes = rows.map((row) => [row.hardware, sentences(row.failure, `Needs: ${row.needs.charAt(0).toLowerCase()}${row.needs.slice(1)}`), " ", el("small", { title: row.source_title }, sourced(row.source))]);
  const places = rows.map((row) => [row.hardware, openOf(row)]).filter(([, text]) => text);
  return [model.argument?.now && el("p", { class: "note" }, "As in the run: not argued."), hardwareTable(rows), pairs(rows.flatMap(orderOf), "product-order"),
    el("details", { class: "more product-more", open: true }, el("summary", {}, "How each fails, and what it needs"), pairs(takes, "product-takes")),
    places.length > 0 && el("details", { class: "more product-more" }, el("summary", {}, `Tissues, by ${plural(places.length, "construct")}`), pairs(places, "product-places"))];
}

/** A part as a plain table: its columns that say something, a few rows. */
function partTable(model, part, name) {
  const rows = rowsOn(model, part, name);
  const columns = (model.product?.columns?.[part] ?? []).filter((column) => column.name !== "gate" && rows.some((row) => row[column.name] !== null && row[column.name] !== ""));
  if (rows.length === 0 || columns.length === 0) return null;
  const isNumber = (column) => ["fraction", "count", "number"].includes(column.kind);
  return [el("table", { class: "plain" }, el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col", class: isNumber(column) ? "num" : null, title: column.meaning }, column.title)))),
    el("tbody", {}, rows.slice(0, MOST_ROWS).map((row) => el("tr", {}, columns.map((column) => el("td", { class: isNumber(column) ? "num" : null }, show(row[column.name], column))))))),
  rows.length > MOST_ROWS && el("p", { class: "note" }, `${plural(rows.length - MOST_ROWS, "more row")} in ${part}.tsv.`)];
}

const PART_TITLES = { escape: "Who is missed", people: "Who is at risk", panel: "Panel of products" };

/** What a card says of the product; null where the file holds nothing of it. */
export function productView(model, name) {
  const rows = rowsOn(model, "hardware", name);
  const parts = Object.entries(PART_TITLES).map(([part, title]) => [title, partTable(model, part, name)]).filter(([, drawn]) => drawn);
  if (rows.length === 0 && parts.length === 0) return null;
  return [rows.length > 0 && hardwareView(model, rows), parts.map(([title, drawn]) => el("div", { class: "product-part" }, el("h4", {}, title), drawn))];
}
