// The card of one antigen or gate, drawn when it is asked for; its address is the permalink.

import { el, byId, pill, show, names, fractionText, rangeText, signed, countText, levelText, linkTo, plural } from "./dom.js";
import { intervalBar, patientDots, patientRow } from "./charts.js";
import { tissueTable, peopleText } from "./tissues.js";
import { comparedNames, drawComparison, wireTray } from "./compare.js";
import { truthTable, sweepTable } from "./counts.js";
import { ownTable } from "./own.js";
import { readGate, symbolsOf } from "./gate.js";
import { howSure, disagreements, clinicalHistory } from "./trust.js";
import { bodyView } from "./body.js";
import { surfaceOf } from "./topology.js";
import { evidenceStrip, movedText, nameCaveats } from "./marks.js";
import { productView, hasProduct } from "./product.js";

/** What the run concluded about safety, in words. */
export function verdict(table, i, rows) {
  const value = (name) => table.value(i, name);
  const worst = (name) => {
    const hits = rows.filter((row) => row.is_measured && row.side === "normal" && (row.tissue === name || row.population === name));
    const counted = hits.filter((row) => row.fraction !== null).map((row) => row.fraction);
    if (counted.length) return { text: `${name} ${fractionText(Math.max(...counted))}`, size: Math.max(...counted) };
    const levels = hits.filter((row) => row.evidence === "summary" && row.level !== null);
    if (levels.length === 0) return { text: name, size: -2 };
    const level = Math.max(...levels.map((row) => row.level));
    return { text: `${name} ${levelText(level)} ${levels[0].unit}`, size: -1 / (1 + level) };
  };
  const listed = (name) => names(value(name)).map(worst).sort((a, b) => b.size - a.size).map((one) => one.text).join(", ");
  const parts = {
    "within caps": ["Within caps at this threshold: every required tissue is measured and every cap is kept."],
    "origin only": [`Only the organ of origin is hit: ${listed("tissues_broken") || listed("liability_origin_population")}.`],
    unknown: ["Safety unknown."],
    "over cap": [`Over cap: ${listed("tissues_broken") || listed("liability_population") || "a cap is broken"}.`],
  }[value("safety_class")] ?? ["Not judged under these settings: argue mode judges gates whose evidence is in this file."];
  if (value("safety_class") === "over cap" && value("window") < 0) parts.push(`Vital tissue stands above the tumour: ${value("window_population")} (window ${signed(value("window"))} log2).`);
  if (value("tissues_unmeasured")) parts.push(`Not measured in ${names(value("tissues_unmeasured")).join(", ")}.`);
  if (value("tissues_thin")) parts.push(`Few donors in ${names(value("tissues_thin")).join(", ")}.`);
  if (value("tissues_unresolved")) parts.push(`Unresolved in ${names(value("tissues_unresolved")).join(", ")}.`);
  if (value("tissues_explained")) parts.push(`Cells decide in ${names(value("tissues_explained")).join(", ")}; what bulk, summaries or stains say there is shown only.`);
  return parts.join(" ");
}

function figure(title, main, note, chart) {
  return el("div", { class: "figure" }, el("dt", {}, title), el("dd", {}, el("span", { class: "figure-main" }, main), chart, el("span", { class: "figure-note" }, note)));
}

const RESTS_ON = { samples: "bulk samples", summary: "a summary", protein: "a stain" };

/** Where the liability is, how high it may be, and where that would be, which may be elsewhere. */
function liabilityNote(value, text) {
  const place = value("liability_population"), from = value("liability_upper_population"), donors = value("liability_n_donors");
  const where = place && [donors === null ? place : `${place} (${plural(donors, "donor")})`, RESTS_ON[value("liability_evidence")]].filter(Boolean).join(", ");
  if (value("liability_upper") === null || (text("liability_upper") === text("liability") && (!from || from === place))) return where ? `in ${where}` : "";
  if (value("liability_n_positive") === 0) return `none seen: 0 of ${countText(value("liability_n_observations"))} in ${place}${value("liability_upper") === null ? "" : `, at most ${text("liability_upper")}${from && from !== place ? ` in ${from}` : ""}`}`;
  const up = `up to ${text("liability_upper")}`;
  if (from && place && from !== place) return `in ${where}; ${up}, in ${from}`;
  return where || from ? `${up} in ${where ?? from}` : up;
}

/** Coverage in the other kind of tumour, where the run holds it. */
function coverageNote(value) {
  const found = [["coverage_cells", "in cells"], ["coverage_samples", "in bulk samples"]].filter(([name]) => value(name) !== null);
  return found.length < 2 ? "" : ` · ${found.map(([name, words]) => `${fractionText(value(name))} ${words}`).join(", ")}`;
}

function figures(table, i) {
  const value = (name) => table.value(i, name);
  const text = (name) => fractionText(value(name));
  const bar = (name, side) => value(name) !== null && intervalBar({ fraction: value(name), side,
    lower: value(`${name}_lower`) ?? value(name), upper: value(`${name}_upper`) ?? value(name) });
  const against = (name) => (value(name) ? `in ${value(name)}` : "");
  return el("dl", { class: "figures" },
    figure("Coverage", text("coverage") || "unknown", `${value("coverage_lower") !== null ? `${rangeText(value("coverage_lower"), value("coverage_upper"))} · ` : ""}${plural(value("n_patients") ?? 0, "patient")}${coverageNote(value)}`, bar("coverage", "tumor")),
    figure("Liability", text("liability") || "unknown", liabilityNote(value, text), bar("liability", "normal")),
    figure("In the origin", text("liability_origin") || "–", against("liability_origin_population"), bar("liability_origin", "normal")),
    figure("Window", value("window") === null ? "–" : `${signed(value("window"))} log2`, value("window_population") ? `against ${value("window_population")}` : ""),
    figure("Selectivity", signed(value("selectivity")) || "–", "coverage − liability"));
}

function patientLine(row) {
  return el("div", { class: "entry tumor-entry" }, el("span", { class: "entry-label" }, row.population === "tumor" ? "all patients" : row.population),
    el("span", { class: "entry-bar" }, intervalBar(row)),
    el("span", { class: "entry-value" }, el("b", {}, row.fraction === null ? "?" : fractionText(row.fraction)), " ", el("small", {}, rangeText(row.lower, row.upper))),
    el("span", { class: "entry-note" }, row.n_positive === null ? "" : `${countText(row.n_positive)} of ${countText(row.n_observations)}`));
}

function tumor(model, name, rows) {
  const mine = rows.filter((row) => row.side === "tumor" && row.is_present).sort((a, b) => (b.fraction ?? -1) - (a.fraction ?? -1));
  if (mine.length === 0) return el("p", { class: "empty" }, "No tumour measurement is in this file.");
  const lines = el("div", { class: mine.length > 6 ? "patients many" : "patients" }, mine.map(patientLine));
  if (mine.some((row) => row.evidence === "cells")) {
    const shares = mine.filter((row) => row.fraction !== null).map((row) => row.fraction);
    return [shares.length > 2 && patientDots(shares, { is_share: true }), el("p", { class: "note" }, "Fraction of each patient's malignant cells that is hit; the patient is the unit."), lines];
  }
  const levels = model.run.patients[name];
  if (!levels?.length) return [mine.filter((row) => row.n_positive !== null).map(patientRow), lines];
  const vital = rows.filter((row) => row.side === "normal" && row.evidence === "samples" && row.tier === "vital" && !row.is_origin && row.is_measured && row.level !== null);
  return [patientDots(levels, { threshold: model.run.thresholds.bulk ?? null, unit: mine[0].unit, normals: vital }), lines];
}

function members(model, table, i) {
  const gate = table.key.get(i);
  const parts = symbolsOf(gate).filter((part) => model.antigens.rowOf.has(part));
  if (table.name !== "gates" || parts.length === 0) return null;
  const line = (from, at, name, kind) => el("tr", { class: name === gate ? "this" : null },
    el("th", { scope: "row" }, kind ? el("a", { href: linkTo(name, kind) }, name) : name), el("td", {}, pill(from.value(at, "safety_class"))),
    ["coverage", "liability"].map((column) => el("td", { class: "num" }, fractionText(from.value(at, column)))),
    el("td", {}, from.value(at, "liability_population") ?? ""), el("td", { class: "num" }, signed(from.value(at, "window"))),
    el("td", { class: "num" }, signed(from.value(at, "selectivity"))));
  const best = table.value(i, "best_member");
  const before = model.antigens.rowOf.has(best) ? model.antigens.value(model.antigens.rowOf.get(best), "safety_class") : null;
  const after = table.value(i, "safety_class");
  const gains = ["gain_coverage", "gain_liability", "gain_window", "gain_selectivity"].filter((name) => table.value(i, name) !== null)
    .map((name) => `${table.by[name].title.replace("Gain in ", "")} ${signed(table.value(i, name))}`);
  if (before && before !== after) gains.unshift(`${before} becomes ${after}`);
  return section("Against its members", el("table", { class: "plain" }, el("thead", {}, el("tr", {}, ["Name", "Safety", "Coverage", "Liability", "Where", "Window", "Selectivity"].map((title, at) =>
    el("th", { scope: "col", class: at === 2 || at === 3 || at > 4 ? "num" : null }, title)))), el("tbody", {}, line(table, i, gate, null), parts.map((part) => line(model.antigens, model.antigens.rowOf.get(part), part, "antigen")))),
  gains.length > 0 && el("p", { class: "note" }, `Against ${best ?? "the best member"}, its best member: ${gains.join(" · ")}. Above zero is better.`));
}

function surface(model, table, i) {
  const { antigens } = model;
  const name = table.key.get(i), isAlone = table.name === "antigens";
  const rows = (isAlone ? [name] : symbolsOf(name)).map((symbol) => antigens.rowOf.get(symbol)).filter((row) => row !== undefined);
  return rows.length ? section("On the surface?", rows.map((row) => surfaceOf(antigens, row, { named: !isAlone }))) : null;
}

function tumorProtein(value) {
  const stained = value("n_protein_stained") && `stained in ${fractionText(value("protein_stained"))} of ${plural(value("n_protein_stained"), "patient")}`;
  const ratio = value("n_protein_ratio") && `${(2 ** value("protein_ratio")).toFixed(1)} times the normal tissue beside it by mass spectrometry (median of ${plural(value("n_protein_ratio"), "patient")})`;
  const said = [stained, ratio].filter(Boolean);
  return said.length ? `${said.join("; ")}.` : null;
}

function caveats(model, table, i) {
  const value = (name) => table.value(i, name);
  const blocked = table.name === "gates" && readGate(table.key.get(i))?.blockers.size > 0;
  const list = [
    ...nameCaveats(model, table, i),
    value("proxy_note") && ["Proxy", value("proxy_note")],
    value("isoform_note") && ["Isoforms", value("isoform_note")],
    value("proxies") && ["Proxies", `judged by the genes in brackets: ${value("proxies")}.`],
    value("tissues_unresolved") && ["Experiment to do", `stain or count single cells in ${names(value("tissues_unresolved")).join(", ")}: the evidence at hand cannot tell whether one cell carries what the gate asks for.`],
    peopleText(value("people_over_cap"), value("people_n")) && ["People over the cap", `${peopleText(value("people_over_cap"), value("people_n"))} in ${value("people_population")}: their own tissue is hit more often than the cap and chance allow (${rangeText(value("people_share_lower"), value("people_share_upper"))} of people).`],
    value("liability_trans") !== null && value("liability_trans") - (value("liability") ?? 0) >= 0.005 && ["Cis and trans", `liability ${fractionText(value("liability")) || "unknown"} if one cell must carry both (cis); up to ${fractionText(value("liability_trans"))} if one antigen arms the T cell in a tissue and another marks the cell that is hit (trans).`],
    value("protein_veto") && ["Protein vetoes", `reliable membrane staining in ${names(value("protein_veto")).join(", ")}.`],
    value("protein_flag") && ["Protein flag", `stained at medium or more in ${names(value("protein_flag")).join(", ")}, by an antibody too weak to veto.`],
    tumorProtein(value) && ["Protein in tumours", tumorProtein(value)],
    value("rna_protein_note") && ["RNA and protein", `${value("rna_protein_note")}.`],
    value("antibody_cells") && ["Antibodies on cells", `${value("antibody_cells")}. Above the background of each antibody; not part of the class.`],
    value("ms_organs") && ["Protein in normal organs", `by mass spectrometry: ${value("ms_organs")}${value("ms_foetal") ? `; foetal: ${value("ms_foetal")}` : ""}. Not part of the class.`],
    value("is_protein_known") === false && ["Protein not checked", "some required tissue has no graded stain; its absence is no prize."],
    value("cell_types_unmeasured") && ["Rare cell types not measured", `${names(value("cell_types_unmeasured")).join(", ")}.`],
    value("is_fratricide_risk") && ["Fratricide", `T cells carry it${value("tcell_source") ? ` (${value("tcell_source")})` : ""}: a product may kill itself.`],
    value("ambient_note") && ["Leaks", value("ambient_note")],
    value("twins") && ["Twins outside", `${value("twins")}${value("twins_exposure") ? `. In normal tissue: ${value("twins_exposure")}` : ""}. A binder may hit them too.`],
    value("orthologue") && value("orthologue") !== "unknown" && ["In animals", `${value("orthologue")}.`],
    value("skewed_lrt") !== null && ["Needed by some cell lines", `skewed likelihood ratio ${value("skewed_lrt").toFixed(1)}; from 100 on the tumour would not easily shed it (an assumption).`],
    value("antigen_density") && value("antigen_density") !== "unknown" && ["Molecules per cell", `${value("antigen_density")}.`],
    value("shed_antigen") === "unknown" && ["Unknown", `whether it is shed${value("antigen_density") === "unknown" ? ", how densely cells carry it" : ""}${value("orthologue") === "unknown" ? ", whether an animal carries it alike" : ""}.`],
    value("liability_residual") !== null && value("liability_residual") - (value("liability") ?? 0) >= 0.005 && ["If the blocker is missed", `liability ${fractionText(value("liability_residual"))}${value("liability_residual_population") ? ` in ${value("liability_residual_population")}` : ""}, at the rate at which the blocker is seen (${fractionText(value("detection")) || "unknown"}).`],
    value("coverage_corrected") !== null && Math.abs(value("coverage_corrected") - (value("coverage") ?? 0)) >= 0.005 && ["If missed antigens are there", `coverage ${fractionText(value("coverage_corrected"))} at most, at the rates at which they are seen.`],
    value("n_purity") && ["By tumour purity", `the tumour cells of ${fractionText(value("coverage_purity_lower"))} to ${fractionText(value("coverage_purity_upper"))} of the patients, at the purity known of ${plural(value("n_purity"), "patient")}.`],
    value("hardware") && !hasProduct(model, table.key.get(i)) && ["To build", value("hardware")],
    value("failure") && !hasProduct(model, table.key.get(i)) && ["When it fails", value("failure")],
    blocked && value("liability_naive") !== null && ["Naive liability", `${fractionText(value("liability_naive"))} if the blocker were believed inside the sample; never ranked.`],
  ].filter(Boolean);
  return list.length ? section("What to mind", el("dl", { class: "caveats" }, list.map(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]))) : null;
}

function joined(table, i) {
  const [malignant, normal, note] = ["cells_malignant", "cells_normal", "cells_note"].map((name) => table.value(i, name));
  if (malignant === null && normal === null && !note) return null;
  const bar = (value, side) => el("span", { class: "entry-bar" }, intervalBar({ fraction: value, lower: value, upper: value, side }));
  const line = (label, value, side) => value !== null && el("div", { class: "entry tumor-entry" }, el("span", { class: "entry-label" }, label), bar(value, side), el("span", { class: "entry-value" }, el("b", {}, fractionText(value))));
  const coverage = table.value(i, "coverage");
  const doubt = malignant !== null && coverage !== null && coverage - malignant >= 0.5 && el("p", { class: "note doubt" },
    `Few malignant cells carry it (${fractionText(malignant)}) although the coverage is ${fractionText(coverage)}: ${
      table.name === "gates" ? "its members may sit in different cells" : "few cells may make the signal"}, or shallow counts miss it.`);
  return section("Inside single cells", doubt, line("malignant cells", malignant, "tumor"), line("normal epithelial cells", normal, "normal"), note && el("p", { class: "note" }, note === "genes not in panel" ? "The joined single cells do not hold every antigen of it: they cannot say." : note));
}

const LINES = 16; // a truth table that can still be read: four antigens

/** Counts behind the gate, and what other thresholds say; nothing where the file holds no counted evidence. */
function countedTogether(model, table, i) {
  const { argument } = model;
  const name = table.key.get(i), held = argument?.held(name), found = argument?.find(name);
  if (!held) return null;
  const { ev } = argument;
  const n = held.symbols.length;
  return [n > 1 && 2 ** n <= LINES && section("Counted together", truthTable(model, held, table.value(i, "liability_population")),
    !ev.isCells && el("p", { class: "note" }, held.blockers.size ? "Inside a bulk sample the blocker is not believed: what is printed as spared still counts as hit in normal tissue."
      : `A bulk sample mixes cells: a sample that carries ${n === 2 ? "both" : "all"} need not have one cell that does.`)),
  found && ev.thresholds.length > 1 && section("At other thresholds", sweepTable(model, found))];
}

const titled = (title, content) => content && section(title, content);
const section = (title, ...content) => el("section", { class: `about-${title.toLowerCase().replace(/\W+/g, "-").replace(/-$/, "")}` }, el("h3", {}, title), content);

const KINDS_OF_ATLAS = { samples: "bulk samples", cells: "single cells", summary: "summaries by tissue", protein: "antibody stains" };

/** The atlases behind the numbers, with what to look them up by. */
function sources({ run }) {
  const said = ({ kind, unit, release, n_donors, n_observations }) => [KINDS_OF_ATLAS[kind] ?? kind, unit && kind !== "protein" && `in ${unit}`, release,
    n_donors ? plural(n_donors, "donor") : null, n_observations && ["samples", "cells"].includes(kind) && n_observations !== n_donors ? plural(n_observations, kind === "cells" ? "cell" : "sample") : null].filter(Boolean).join(" · ");
  return run.atlases?.length ? section("Where the numbers come from", el("dl", { class: "caveats" }, run.atlases.map((atlas) => [el("dt", {}, atlas.name), el("dd", {}, said(atlas))])),
    el("p", { class: "note" }, "Thresholds, licences and the checksum of every file stand under ", el("a", { href: "#provenance" }, "Provenance"), ".")) : null;
}

function everything(table, i) {
  const rows = table.columns.filter((column) => column.get(i) !== null).map((column) =>
    el("tr", {}, el("th", { scope: "row", title: column.meaning }, column.title), el("td", {}, show(column.get(i), column), column.unit && !["fraction"].includes(column.unit) ? ` ${column.unit}` : "")));
  return el("details", { class: "all-numbers" }, el("summary", {}, "Every number of this row"), el("table", { class: "plain" }, el("tbody", {}, rows)));
}

/** Draw a card for the row of a table. */
export function drawCard(model, table, name) {
  const i = table.rowOf.get(name);
  const rows = model.exposure(name);
  const rank = table.value(i, "rank");
  const control = table.value(i, "control");
  return [
    el("div", { class: "card-head" },
      el("p", { class: "eyebrow" }, [table.name === "antigens" ? "Antigen" : "Gate", rank !== null && `rank ${countText(rank)}`, control && `${control} control`,
        table.isOwn && "your own, not among the gates of this file",
        model.argument?.now && "as argued",
        table.value(i, "is_redundant") && "redundant", table.value(i, "is_eligible") === false && "below the coverage floor"].filter(Boolean).join(" · ")),
      el("div", { class: "card-name" }, el("h2", { id: "card-title", tabindex: "-1" }, name), pill(table.value(i, "safety_class"), { isFirm: table.value(i, "is_firm"), moved: movedText((column) => table.value(i, column)) })),
      el("p", { class: "verdict" }, verdict(table, i, rows)), evidenceStrip(model, table, i)),
    figures(table, i), members(model, table, i), countedTogether(model, table, i), section("On the tumour", tumor(model, name, rows)), joined(table, i),
    titled("How sure?", howSure(model, name)), titled("Product", productView(model, name)), section("In normal tissue", bodyView(model.run, rows), tissueTable(model.run, rows)), titled("Sources that disagree", disagreements(model, name)),
    surface(model, table, i), titled("In patients", clinicalHistory(model, name)), caveats(model, table, i), sources(model), everything(table, i),
  ].flat(Infinity).filter(Boolean);
}

function unknownName(model, name) {
  return [el("div", { class: "card-head" }, el("h2", { id: "card-title", tabindex: "-1" }, name),
    el("p", { class: "verdict" }, model.lost.get(name) ?? "This file holds no card of that name. It may be among the gates that were left out, or not in the input."))];
}

function comparison(model, text) {
  const list = comparedNames(text);
  model.tray.hold(list);
  return drawComparison(model, list);
}

function candidate(model, kind, text) {
  let name = text;
  try { name = decodeURIComponent(text); } catch { /* a half-typed address is taken as it stands */ }
  const table = kind === "antigen" ? model.antigens : model.gates;
  const isHere = table.rowOf.has(name);
  const own = isHere ? null : ownTable(model, name);
  model.tray.show(isHere ? name : null);
  return isHere || own ? drawCard(model, own ?? table, name) : unknownName(model, name);
}

/** Open the card or the comparison that the address names, or close it. */
export function followAddress(model) {
  const match = /^#(antigen|gate|compare)=(.*)$/.exec(location.hash);
  const panel = byId("card");
  if (!match) return closeCard();
  if (panel.hidden) panel.opener = document.activeElement;
  byId("card-body").replaceChildren(...(match[1] === "compare" ? comparison(model, match[2]) : candidate(model, match[1], match[2])));
  panel.hidden = false;
  document.body.classList.add("has-card");
  byId("card-body").scrollTop = 0;
  byId("card-title").focus({ preventScroll: true });
  return undefined;
}

/** Close the card and give the focus back to where it came from. */
export function closeCard() {
  const panel = byId("card");
  if (panel.hidden) return;
  panel.hidden = true;
  document.body.classList.remove("has-card");
  if (panel.opener?.isConnected) panel.opener.focus({ preventScroll: true });
}

/** Keep the focus inside the open card: past its last stop comes its first, and the other way round. */
function keepInside(event) {
  const panel = byId("card");
  if (event.key !== "Tab" || panel.hidden || !panel.contains(document.activeElement)) return;
  const stops = [...panel.querySelectorAll("a[href], button, summary, input, select")].filter((one) => !one.disabled && one.checkVisibility());
  const [edge, other] = event.shiftKey ? [stops[0], stops.at(-1)] : [stops.at(-1), stops[0]];
  if (document.activeElement !== edge) return;
  event.preventDefault();
  other.focus();
}

/** Draw the open card again: the evidence has come, or the settings have moved. */
export function refreshCard(model) {
  const body = byId("card-body");
  const match = /^#(antigen|gate|compare)=(.*)$/.exec(location.hash);
  if (byId("card").hidden || !match) return;
  const place = body.scrollTop, inside = body.contains(document.activeElement);
  body.replaceChildren(...[match[1] === "compare" ? comparison(model, match[2]) : candidate(model, match[1], match[2])].flat());
  body.scrollTop = place;
  if (inside) byId("card-title").focus({ preventScroll: true });
}

/** Wire the close button, Escape and the address. */
export function wireCard(model) {
  model.tray = wireTray();
  const leave = () => { history.pushState(null, "", location.pathname + location.search); closeCard(); };
  byId("card-close").addEventListener("click", leave);
  byId("card-print").addEventListener("click", () => { document.body.classList.add("print-card"); print(); });
  addEventListener("afterprint", () => document.body.classList.remove("print-card"));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !byId("card").hidden) leave(); else keepInside(event); });
  addEventListener("hashchange", () => followAddress(model));
  addEventListener("popstate", () => followAddress(model));
  followAddress(model);
}
