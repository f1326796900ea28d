// Argue mode: a drawer of sliders and switches beside the page, which follows them.

import { el, byId, fractionText, plural, countText, names, pill, linkTo } from "./dom.js";
import { overrides } from "./argument.js";
import { KINDS } from "./judge.js";
import { drawIdeas } from "./ideas.js";
import { movesOf, sayChange, changedTiers, changedConfig } from "./words.js";
import { download } from "./grid.js";

const MOVED = ["vital", "important", "tolerable"];

/** Switch of a few values; calls back with the chosen one. */
function choice(label, options, chosen, pick) {
  const buttons = options.map(([value, text]) => el("button", { type: "button", "aria-pressed": String(value === chosen), "data-value": String(value), onclick: () => pick(value) }, text));
  return el("div", { class: "argue-row" }, el("span", { class: "argue-label" }, label), el("div", { class: "switch", role: "group", "aria-label": label }, buttons));
}

function slider(label, { value, min = 0, max = 1, step = 0.05, hidden = false }, move) {
  const output = el("output", {}, fractionText(value));
  const input = el("input", { type: "range", min, max, step, value, "aria-label": label, oninput: () => { output.textContent = fractionText(Number(input.value)); move(Number(input.value)); } });
  return el("label", { class: "argue-slider" }, el("span", { class: hidden ? "hidden" : "argue-label" }, label), input, output);
}

/** How many gates are over cap because of one tissue alone. */
function freedBy(model) {
  const count = new Map();
  const origin = new Set(model.argument.ev.origin);
  for (let i = 0; i < model.gates.n; i += 1) {
    if (model.gates.told(i, "safety_class") !== "over cap" || !model.gates.told(i, "is_eligible")) continue;
    const broken = names(model.gates.told(i, "tissues_broken")).filter((tissue) => !origin.has(tissue));
    if (broken.length === 1) count.set(broken[0], (count.get(broken[0]) ?? 0) + 1);
  }
  return count;
}

function tolerable(model) {
  const { ev } = model.argument;
  const freed = freedBy(model);
  const tier = new Map([...ev.populations.slice(ev.n_tumor), ...ev.units].filter((place) => place.cap < 1).map((place) => [place.tissue, place.tier]));
  return [...tier.keys()].map((tissue) => ({ tissue, tier: tier.get(tissue), freed: freed.get(tissue) ?? 0 }))
    .sort((a, b) => b.freed - a.freed || (a.tissue < b.tissue ? -1 : 1));
}

function controls(model, settings, change) {
  const { ev, start } = model.argument;
  const hasScore = model.antigens.by.surface_score && model.argument.alone.rows.some((row) => model.antigens.told(row, "surface_score") !== null);
  const chips = tolerable(model).map(({ tissue, tier, freed }) => {
    const chip = el("button", { type: "button", class: "chip", "aria-pressed": String(settings.tolerated.includes(tissue)), title: `${tier}${freed ? `; ${plural(freed, "gate")} of this file over cap because of it alone` : ""}`,
      onclick: () => change(({ tolerated }) => ({ tolerated: tolerated.includes(tissue) ? tolerated.filter((one) => one !== tissue) : [...tolerated, tissue] })) },
    tissue, freed > 0 && el("small", {}, ` ${countText(freed)}`));
    return chip;
  });
  const tiers = MOVED.map((tier) => el("tr", {}, el("th", { scope: "row" }, tier), ["weight", "cap"].map((field) => el("td", {},
    slider(`${field} of ${tier} tissues`, { value: settings.tiers[tier][field], step: field === "cap" ? 0.01 : 0.05, hidden: true }, (value) => change((now) => ({ tiers: { ...now.tiers, [tier]: { ...now.tiers[tier], [field]: value } } }), { quiet: true }))))));
  return [
    ev.thresholds.length > 1 ? choice(`Positive from (${ev.unit})`, ev.thresholds.map((value, i) => [i, String(value)]), settings.threshold, (threshold) => change(() => ({ threshold })))
      : el("p", { class: "note" }, "Only log-normalised values are known: positive is above zero, and there is no threshold to move."),
    slider("Coverage floor", { value: settings.floor }, (floor) => change(() => ({ floor }), { quiet: true })),
    hasScore && choice("Surface score from", [start.surface, ...[1, 2, 3, 4].filter((value) => value > start.surface)].map((value) => [value, String(value)]), settings.surface, (surface) => change(() => ({ surface }))),
    el("table", { class: "argue-tiers" }, el("thead", {}, el("tr", {}, ["Tissues", "Weight", "Cap"].map((title) => el("th", { scope: "col" }, title)))), el("tbody", {}, tiers)),
    el("h3", {}, "Tolerate a tissue"), el("p", { class: "note" }, "No cap, and at most the weight of a tolerable tissue. The number says how many gates are over cap because of it alone."),
    chips.length > 12 ? [el("div", { class: "chips" }, chips.slice(0, 10)), el("details", { class: "more", open: settings.tolerated.some((tissue) => !chips.slice(0, 10).some((chip) => chip.firstChild.textContent === tissue)) || null },
      el("summary", {}, `${chips.length - 10} more`), el("div", { class: "chips" }, chips.slice(10)))] : el("div", { class: "chips" }, chips),
  ];
}

/** The first of the new ranking, each with the rank it came from. */
function movers(model, result) {
  const { listed, base } = model.argument;
  const { order, rank } = result.ranked.gates;
  const first = order.filter((g) => rank[g] > 0).slice(0, 10);
  return first.map((g) => {
    const was = base.ranked.gates.rank[g], name = model.gates.key.get(listed.rows[g]);
    const step = was < 0 ? "new" : was === rank[g] ? "" : was > rank[g] ? `▲ ${countText(was - rank[g])}` : `▼ ${countText(rank[g] - was)}`;
    return el("li", {}, el("span", { class: "idea-rank" }, countText(rank[g])), el("a", { href: linkTo(name, "gate") }, name), pill(KINDS[result.gates.kind[g]]),
      el("span", { class: was < 0 || was > rank[g] ? "up" : "down" }, el("span", { "aria-hidden": "true" }, step), el("span", { class: "hidden" }, was < 0 ? "was not ranked" : was === rank[g] ? "same rank" : `was ${was}`)));
  });
}

/** Wire argue mode; `redraw` are the drawings that follow, `tables` the two grids. */
export function wireArgue(model, { redraw, tables, refresh }) {
  const drawer = byId("argue"), opener = byId("argue-open"), back = byId("argue-reset"), said = byId("argue-said");
  const { argument } = model;
  const ideasBefore = [...byId("ideas").children], countBefore = byId("ideas-count").textContent;
  const ideaNames = () => new Set(argument.base.ideas.map(({ row }) => model.gates.key.get(row)));
  let settings = structuredClone(argument.start), later = 0, pending = 0;

  const evaluate = () => {
    argument.base ??= argument.evaluate(argument.start);
    const moved = movesOf(argument.ev, argument.start, settings).length > 0;
    const result = moved ? argument.evaluate(settings) : argument.base;
    argument.now = moved ? result : null;
    for (const name of ["gates", "antigens"]) model[name].own.argued = moved ? overrides(argument, result, name) : null;
    said.textContent = sayChange({ ev: argument.ev, start: argument.start, base: argument.base, now: result, nameOf: (g) => model.gates.key.get(argument.listed.rows[g]) });
    if (moved) drawIdeas(model, result, ideaNames()); else { byId("ideas").replaceChildren(...ideasBefore); byId("ideas-count").textContent = countBefore; }
    byId("argue-first").replaceChildren(...movers(model, result));
    document.body.classList.toggle("is-argued", moved);
    back.hidden = !moved;
    redraw();
    clearTimeout(later);
    later = setTimeout(() => { tables(result, moved); refresh(); document.documentElement.dataset.argued = String(Number(document.documentElement.dataset.argued ?? 0) + 1); }, 250);
  };
  const timed = () => { const start = performance.now(); evaluate(); document.documentElement.dataset.argueMs = (performance.now() - start).toFixed(0); };
  const change = (part, { quiet = false } = {}) => {
    settings = { ...settings, ...part(settings) };
    if (!quiet) show();
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(timed);
  };
  const body = byId("argue-controls");
  const show = () => {
    const label = document.activeElement?.dataset?.value, group = document.activeElement?.closest?.("[role=group]")?.getAttribute("aria-label"), text = document.activeElement?.firstChild?.textContent;
    const inside = body.contains(document.activeElement);
    body.replaceChildren(...controls(model, settings, change).flat(Infinity).filter(Boolean));
    if (!inside) return;
    const again = label !== undefined ? body.querySelector(`[role=group][aria-label="${CSS.escape(group)}"] [data-value="${CSS.escape(label)}"]`) : [...body.querySelectorAll(".chip")].find((chip) => chip.firstChild.textContent === text);
    again?.focus({ preventScroll: true });
  };
  const toggle = (isOpen) => {
    drawer.hidden = !isOpen;
    document.body.classList.toggle("has-argue", isOpen);
    opener.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) { show(); timed(); drawer.querySelector("h2").focus({ preventScroll: true }); } else opener.focus({ preventScroll: true });
  };
  const reset = () => { settings = structuredClone(argument.start); show(); timed(); };
  opener.hidden = false;
  opener.addEventListener("click", () => toggle(drawer.hidden));
  byId("argue-close").addEventListener("click", () => toggle(false));
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !drawer.hidden && byId("card").hidden) toggle(false); });
  byId("argue-undo").addEventListener("click", reset);
  back.addEventListener("click", reset);
  byId("argue-save").addEventListener("click", () => {
    const name = model.run.config.name ?? (model.run.name || "run");
    const isTiers = settings.tolerated.length > 0 || Object.entries(settings.tiers).some(([tier, both]) => both.weight !== argument.start.tiers[tier].weight || both.cap !== argument.start.tiers[tier].cap);
    const tiersFile = isTiers && argument.ev.tiers ? `${name}-argued_tiers.tsv` : null;
    download(`${name}-argued.yaml`, changedConfig(argument.ev, argument.start, settings, { config: model.run.config, tiersFile }), "text/yaml");
    if (tiersFile) download(tiersFile, changedTiers(argument.ev, settings), "text/tab-separated-values");
  });
  const others = model.gates.n - argument.listed.rows.length;
  byId("argue-scope").textContent = `Ranks ${countText(argument.listed.rows.length)} gates of this file again, at thresholds counted beforehand; point estimates only. ${others ? `The other ${countText(others)} of this file are not judged again. ` : ""}Gates outside this file may enter: save the settings and run the full search.`;
}
