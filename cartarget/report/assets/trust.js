// How sure are we, who disagrees, and what the clinic knows: what stands on a card beside the counts.

import { el, pill, fractionText, rangeText, countText, plural } from "./dom.js";
import { symbolsOf } from "./gate.js";

const ADDRESSES = [[/^doi:(.+)$/, "https://doi.org/"], [/^PMID:(\d+)$/, "https://pubmed.ncbi.nlm.nih.gov/"], [/^PMCID:(PMC\d+)$/, "https://pmc.ncbi.nlm.nih.gov/articles/"],
  [/^(NCT\d{8})$/, "https://clinicaltrials.gov/study/"]];

/** The address of an identifier of a paper or a trial; null for anything else. */
export function addressOf(identifier) {
  for (const [pattern, start] of ADDRESSES) {
    const found = pattern.exec(identifier);
    if (found) return start + encodeURI(found[1]).replaceAll("#", "%23").replaceAll("?", "%3F");
  }
  return null;
}

/** A line whose identifiers lead to their sources; nothing is fetched until one is followed. */
export function sourced(text) {
  return text.split(/(doi:10\.\d{4,9}\/[^\s;)]+|PMID:\d+|PMCID:PMC\d+|NCT\d{8})/).map((part) => {
    const address = addressOf(part);
    return address ? el("a", { href: address, rel: "noreferrer noopener", target: "_blank" }, part) : part;
  });
}

const rowsOf = (table, name) => (table ? Array.from({ length: table.n }, (_, i) => i).filter((i) => table.key.get(i) === name) : []);
const pair = (term, ...text) => [el("dt", {}, term), el("dd", {}, text)];
const share = (value) => `${Math.round(100 * value)} %`;

/** What held-out and resampled people, other thresholds, chance and a second cohort say of a gate. */
export function howSure(model, name) {
  const { gates, trust, replication, doublets } = model;
  const lines = [];
  if (gates.rowOf.has(name)) {
    const value = (column) => gates.value(gates.rowOf.get(name), column);
    const [best, worst] = [value("class_best"), value("class_worst")];
    if (value("rank_sweep_lower") !== null) lines.push(pair("Other thresholds", `rank ${countText(value("rank_sweep_lower"))} to ${countText(value("rank_sweep_upper"))}; `, best === worst ? [`${best} throughout.`] : [pill(best), " to ", pill(worst)]));
  }
  for (const i of rowsOf(trust, name)) {
    const value = (column) => trust.value(i, column);
    if (value("coverage_heldout") !== null) {
      lines.push(pair("People held out", `coverage ${fractionText(value("coverage_heldout"))}, liability ${fractionText(value("liability_heldout")) || "unknown"}, on those who had no part in choosing; chosen in ${countText(value("n_chosen"))} of ${plural(value("n_folds"), "fold")}.`));
    } else if (value("n_folds")) lines.push(pair("People held out", `not among the first in any of ${plural(value("n_folds"), "fold")}.`));
    if (value("rank_lower") !== null) lines.push(pair("People resampled", `rank ${countText(value("rank_lower"))} to ${countText(value("rank_upper"))} in 95 %; the same class in ${share(value("class_share"))}${value("is_interval_narrow") ? "; too few patients to trust it" : ""}.`));
    if (value("selectivity_percentile") !== null) lines.push(pair("Chance", `better than ${share(value("selectivity_percentile"))} of ${plural(value("n_null"), "random gate")} of the same shape and expression (p = ${value("selectivity_p").toPrecision(2)} for one gate, not corrected for choosing it among many).`));
  }
  for (const i of rowsOf(replication, name)) {
    const value = (column) => replication.value(i, column);
    lines.push(pair(`In ${value("atlas")}`, el("b", {}, value("verdict") ?? "not measured"), value("coverage_second") === null ? (value("genes_missing") ? `: ${value("genes_missing")} not measured there.` : ".")
      : `: coverage ${fractionText(value("coverage_second"))} (${rangeText(value("coverage_lower_second"), value("coverage_upper_second"))}) in ${plural(value("n_patients_second"), "patient")}, ${fractionText(value("coverage_first"))} in the run.`));
  }
  for (const i of rowsOf(doublets, name)) {
    const value = (column) => doublets.value(i, column);
    if (value("n_doublets") > 0 && value("fraction") !== null && value("fraction_without_doublets") !== null && Math.abs(value("fraction") - value("fraction_without_doublets")) >= 0.005) {
      lines.push(pair("Doublets", `${value("population")}: ${fractionText(value("fraction"))} with them, ${fractionText(value("fraction_without_doublets"))} without.`));
    }
  }
  return lines.length ? el("dl", { class: "caveats" }, lines) : null;
}

const TOLD = 5;

/** Sources that contradict each other about a gate, both numbers in one sentence. */
export function disagreements(model, name) {
  const lines = rowsOf(model.conflicts, name).map((i) => el("li", {}, model.conflicts.value(i, "sentence")));
  if (lines.length === 0) return null;
  const list = (part) => el("ul", { class: "limits" }, part);
  return lines.length <= TOLD + 1 ? list(lines) : [list(lines.slice(0, TOLD)), el("details", { class: "more" }, el("summary", {}, `${plural(lines.length - TOLD, "more", "more")}`), list(lines.slice(TOLD)))];
}

/** What was tried in patients and what harm it did, for each antigen of a gate. */
export function clinicalHistory(model, name) {
  const { antigens } = model;
  const entries = (antigens.rowOf.has(name) ? [name] : symbolsOf(name)).filter((symbol) => antigens.rowOf.has(symbol)).flatMap((symbol) => ["clinical", "toxicity"].map((column) => [symbol, column, antigens.value(antigens.rowOf.get(symbol), column)])).filter(([, , text]) => text);
  if (entries.length === 0) return null;
  return el("dl", { class: "caveats" }, entries.map(([symbol, column, text]) => pair(column === "clinical" ? `${symbol} in the clinic` : `Harm by ${symbol}`,
    el("ul", { class: column === "toxicity" ? "history harm-list" : "history" }, text.split("; ").map((line) => el("li", {}, sourced(line)))))));
}
