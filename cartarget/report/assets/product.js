// The product behind an idea: what can build it, in which order, how it fails; who is missed, who is at risk, the panel.

import { el, pill, names, countText, fractionText, rangeText, plural } from "./dom.js";
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

const inPercent = (value) => (value > 0 && value < 0.01 ? "under 1 %" : `${Math.round(100 * value)} %`);
const plainTable = (titles, rows) => el("table", { class: "plain" }, el("thead", {}, el("tr", {}, titles.map(([title, isNumber]) => el("th", { scope: "col", class: isNumber ? "num" : null }, title)))),
  el("tbody", {}, rows.map((cells) => el("tr", {}, cells.map((cell, i) => el(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: titles[i][1] ? "num" : null }, cell))))));
const shortened = (rows, part) => rows.length > MOST_ROWS && el("p", { class: "note" }, `${plural(rows.length - MOST_ROWS, "more row")} in ${part}.tsv.`);

/** The malignant cells that a gate leaves, what they carry, and what catches them. */
function escapeView(rows) {
  const all = rows.find((row) => row.patient === "all"), known = rows.filter((row) => row.patient !== "all" && row.left !== null).sort((x, y) => y.left - x.left);
  if (!all) return null;
  const second = all.second_gate && `The gate that catches most of them and breaks no cap is ${all.second_gate}: it takes ${inPercent(all.second_catches)} of them and leaves ${inPercent(all.left_both)} of the tumour.`;
  const text = all.left === null ? `Not known: no malignant cells were counted of these patients (${all.note}).`
    : sentences(`It leaves ${inPercent(all.left)} of the malignant cells on average (${inPercent(all.left_lower)} to ${inPercent(all.left_upper)}).`, all.carried && `Of those left, these carry: ${all.carried}.`, second,
      all.residual !== null && `If one cell in twenty loses each antigen, ${inPercent(all.residual)} stay.`);
  const need = all.hard_to_lose && all.hard_to_lose !== "unknown" && all.hard_to_lose !== "none" && `Antigens that some cell lines need, so that tumours lose them less easily: ${all.hard_to_lose}.`;
  const titles = [["Patient"], ["Left", true], ["Carried by these"], ["Second gate"], ["Left by both", true]];
  return [el("p", {}, sentences(text, need)), known.length > 0 && el("details", { class: "more" }, el("summary", {}, plural(known.length, "patient")),
    plainTable(titles, known.slice(0, MOST_ROWS).map((row) => [row.patient, `${fractionText(row.left)} (${rangeText(row.left_lower, row.left_upper)})`, row.carried ?? "", row.second_gate ?? "", row.left_both === null ? "" : fractionText(row.left_both)])),
    shortened(known, "escape"))];
}

/** Normal donors over a cap, place by place, and the places that no donor tells of. */
function peopleView(rows) {
  const outside = rows.filter((row) => !row.is_origin), told = outside.filter((row) => row.measured === "yes" && row.people_over_cap !== null);
  const over = outside.filter((row) => row.people_over_cap > 0), unknown = outside.filter((row) => row.measured === "unknown");
  const least = told.filter((row) => row.people_over_cap === 0).sort((x, y) => x.n_donors - y.n_donors);
  const [few, many] = [least[0], least.at(-1)], upTo = (row) => `with ${plural(row.n_donors, "donor")} (${row.population}) up to ${inPercent(row.share_upper)} of people could be`;
  const bound = few && (few.n_donors === many.n_donors ? `With ${plural(few.n_donors, "donor")} each up to ${inPercent(few.share_upper)} of people could be.` : `W${upTo(few).slice(1)}; ${upTo(many)}.`);
  const where = [...new Set(unknown.map((row) => row.tissue))];
  const titles = [["Place"], ["Over the cap", true], ["Share of people", true], ["Worst donor", true], ["In common"]];
  return [el("p", {}, sentences(told.length === 0 ? "No donor was measured in any vital or required place outside the origin." : `Of ${plural(told.length, "place")} outside the origin with donors, somebody is over the cap in ${over.length || "none"}.`, bound,
    where.length > 0 && `No donor tells of ${where.join(", ")} (or of some of their cell types).`)),
  over.length > 0 && [plainTable(titles, over.slice(0, MOST_ROWS).map((row) => [row.population, `${row.people_over_cap} of ${row.n_donors}`, row.share_upper === null ? "unknown" : `${inPercent(row.share_lower)} to ${inPercent(row.share_upper)}`, row.donor_worst === null ? "" : fractionText(row.donor_worst), row.in_common ?? ""])), shortened(over, "people")]];
}

/** How many patients so many products serve; rows of which this gate is a product are marked. */
function panelView(rows, name) {
  const curve = rows.filter((row) => row.scope === "not over cap" && row.question === "most patients");
  if (curve.length === 0) return null;
  const next = (row) => (row.share_heldout === null ? "" : `${fractionText(row.share_heldout)} (${rangeText(row.share_heldout_lower, row.share_heldout_upper)})`);
  return [plainTable([["Products", true], ["Serve", true], ["Next patients", true], ["Panel"]], curve.slice(0, MOST_ROWS).map((row) => [countText(row.n_products), `${row.n_served} of ${row.n_patients}`, next(row), el("span", { class: names(row.products).includes(name) ? "is-own" : null }, row.products)])),
    el("p", { class: "note" }, "Each next patient by a panel that was chosen without him; gates that are not over cap.")];
}

const PARTS = [["escape", "Who is missed", escapeView], ["people", "Who is at risk", peopleView], ["panel", "Panel of products", panelView]];

/** What a card says of the product; null where the file holds nothing of it. */
export function productView(model, name) {
  const rows = rowsOn(model, "hardware", name);
  const parts = PARTS.map(([part, title, draw]) => { const own = rowsOn(model, part, name); return [title, own.length > 0 && draw(own, name)]; }).filter(([, drawn]) => drawn);
  if (rows.length === 0 && parts.length === 0) return null;
  return [rows.length > 0 && hardwareView(model, rows), parts.map(([title, drawn]) => el("div", { class: "product-part" }, el("h4", {}, title), drawn))];
}
