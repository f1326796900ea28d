// The dossier for paper: a memo of one page, then one page for each idea of the shortlist.

import { el, byId, fractionText, levelText } from "./dom.js";
import { intervalBar, levelBar, stainSquares, STAINS } from "./charts.js";
import { groupTissues, isBlank, isKnown, harm, worstOf, TIERS } from "./tissues.js";
import { drawCard } from "./card.js";
import { bodyView } from "./body.js";

/** Tissues in little room: what is vital or important, and what is hit elsewhere. */
function tissuesInBrief(model, rows) {
  const tissues = groupTissues(model.run, rows);
  const worst = (tissue) => Math.max(0, ...tissue.rows.filter(isKnown).map(harm));
  const told = tissues.filter((tissue) => !isBlank(tissue) && (["vital", "important"].includes(tissue.tier) || tissue.is_origin || worst(tissue) >= 0.05));
  const blank = tissues.filter((tissue) => isBlank(tissue) && ["vital", "important"].includes(tissue.tier));
  const line = (tissue) => {
    const row = worstOf(tissue);
    const bar = row.fraction !== null ? intervalBar(row) : row.evidence === "summary" ? levelBar(row.level ?? 0, { threshold: model.run.thresholds.bulk ?? null, is_hit: row.upper > 0 }) : stainSquares([row]);
    const value = row.fraction !== null ? fractionText(row.fraction) : row.evidence === "summary" ? `${levelText(row.level)} ${row.unit}` : row.level ? `${STAINS[row.level]} stain` : "no stain";
    return el("li", {}, el("span", {}, tissue.tissue, tissue.is_origin && el("i", {}, " origin")), bar, el("b", {}, value));
  };
  return el("div", { class: "brief" }, Object.keys(TIERS).map((tier) => {
    const mine = told.filter((tissue) => tissue.tier === tier);
    return mine.length > 0 && [el("h4", {}, TIERS[tier]), el("ul", {}, mine.sort((a, b) => worst(b) - worst(a)).map(line))];
  }), blank.length > 0 && el("p", { class: "note" }, el("b", {}, "Not measured: "), blank.map((tissue) => tissue.tissue).join(", "), "."));
}

function page(model, name) {
  const sheet = el("article", { class: "sheet" }, drawCard(model, model.gates, name));
  sheet.querySelector("#card-title").removeAttribute("id");
  for (const late of sheet.querySelectorAll("table.tissues, .all-numbers, .body-view, .product-more, .product-part")) late.remove();
  const rows = model.exposure(name);
  sheet.querySelector(".about-in-normal-tissue")?.append(el("div", { class: "brief-pair" }, bodyView(model.run, rows), tissuesInBrief(model, rows)));
  return sheet;
}

const PAPER = 703; // CSS pixels between the margins of A4
const [NARROW, WIDE, STEP] = [58, 120, 3]; // widths in rem at which a sheet is tried

/** Lay a sheet out as wide as it needs to be one page high, and note by how much paper shrinks it. */
function fit(sheet, isSimulated) {
  const tall = isSimulated ? 1.34 : 1.4;
  for (let wide = NARROW; wide <= WIDE; wide += STEP) {
    sheet.style.width = `${wide}rem`;
    sheet.style.setProperty("--shrink", (PAPER / (wide * 15)).toFixed(4));
    if (sheet.scrollHeight <= tall * sheet.clientWidth) return;
  }
}

/** Build the dossier from the page as it stands, argued or not. */
export function buildDossier(model) {
  const names = [...document.querySelectorAll("#ideas a")].map((link) => link.textContent);
  const copy = (selector) => document.querySelector(selector)?.cloneNode(true) ?? "";
  const said = model.argument?.now ? el("p", { class: "notice" }, "As argued, not the run's own ranking. ", byId("argue-said").textContent) : "";
  const memo = el("article", { class: "sheet memo" }, copy(".front .eyebrow"), copy(".front h1"), copy(".front .question"), said, copy(".front .keys"), el("h2", {}, "Shortlist"), copy("#ideas"),
    el("h2", {}, "Limits"), copy("ul.limits"));
  memo.querySelector("#ideas")?.removeAttribute("id");
  byId("dossier").replaceChildren(memo, ...names.map((name) => page(model, name)));
  document.body.classList.add("show-dossier");
  for (const sheet of byId("dossier").children) fit(sheet, Boolean(model.run.is_simulated));
}

/** Wire the button that prints it, and the address that shows it. */
export function wireDossier(model) {
  const close = () => { document.body.classList.remove("show-dossier"); byId("dossier").replaceChildren(); };
  byId("dossier-print").addEventListener("click", () => { buildDossier(model); print(); });
  addEventListener("afterprint", () => { if (location.hash !== "#dossier") close(); });
  addEventListener("hashchange", () => { if (location.hash === "#dossier") buildDossier(model); else close(); });
  if (location.hash === "#dossier") buildDossier(model);
}
