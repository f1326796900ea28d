// The shortlist on the front page: as the run wrote it, or as a reader's settings make it.

import { el, svg, byId, pill, linkTo, fractionText, countText, signed } from "./dom.js";
import { KINDS, placeName } from "./judge.js";
import { marksOf, stripOf } from "./marks.js";

/** What an antigen does alone, as the package says it. */
function aloneOf(result, ev, row) {
  const kind = KINDS[result.single.kind[row]], name = result.symbols[row];
  if (kind === "origin only") return `${name} alone hits the origin only`;
  const place = (placeName(ev, result.single.where[row]) ?? "").split(/ \(|: /)[0];
  return kind === "over cap" && place ? `${name} alone hits ${place}` : `${name} alone is ${kind}`;
}

/** What a gate achieves that its members do not, in one line. */
export function whyOf(result, ev, gate, g) {
  const after = KINDS[result.gates.kind[g]], { shape: { sensed, hasBlocker }, rows } = gate;
  if (rows.length === 1) return `${after} alone: no partner is needed`;
  const own = sensed.map((letter) => rows[letter]);
  if (own.every((one) => KINDS[result.single.kind[one]] === after)) {
    const best = Math.max(...own.map((one) => result.single.selectivity[one]));
    return `${after} like its members, with ${signed(result.gates.selectivity[g] - best)} in selectivity`;
  }
  const spared = hasBlocker ? `; ${rows.filter((_, letter) => !sensed.includes(letter)).map((row) => result.symbols[row]).join(", ")} spares normal cells` : "";
  return own.map((one) => aloneOf(result, ev, one)).join(", ") + spared;
}

const bar = (value, kind) => svg("rect", { class: `leader-${kind}`, y: kind === "coverage" ? 1 : 7, width: (64 * value).toFixed(1), height: 4 });

/** One idea of the shortlist. */
function ideaRow({ name, kind, rank, coverage, liability, where, alike, why, isNew, isFirm, marks }) {
  return el("li", {},
    el("span", { class: "idea-rank" }, countText(rank)),
    el("span", { class: "idea-name" }, el("a", { href: linkTo(name, "gate") }, name), isNew && el("b", { class: "new" }, "new"), el("small", {}, why), stripOf(marks)),
    el("span", { class: "idea-class" }, pill(kind, { isFirm })),
    el("span", { class: "idea-bars" }, svg("svg", { class: "leader-bars", viewBox: "0 0 64 12", preserveAspectRatio: "none", role: "img", "aria-label": `coverage ${fractionText(coverage)}, liability ${fractionText(liability)}` },
      svg("rect", { class: "track", y: 2, width: 64, height: 2 }), svg("rect", { class: "track", y: 8, width: 64, height: 2 }), bar(coverage, "coverage"), liability !== null && bar(liability, "liability"))),
    el("span", { class: "leader-numbers" }, el("b", {}, fractionText(coverage)), " ", el("i", {}, liability === null ? "–" : fractionText(liability))),
    el("span", { class: "idea-where" }, where ?? ""), el("span", { class: "idea-alike" }, alike ? `+${countText(alike)} variations` : ""));
}

/** Where the liability is; where nothing was seen the place is no place that is hit. */
const whereText = (value) => { const place = value("liability_population") ?? ""; return value("liability_n_positive") === 0 ? `none seen (0 of ${countText(value("liability_n_observations"))} in ${place})` : place; };

/** Draw the shortlist of a result; `before` holds the names of the run's own. */
export function drawIdeas(model, result, before) {
  const { gates } = model;
  const rows = result.ideas.map(({ row, g, alike }) => {
    const name = gates.key.get(row), value = (column) => gates.value(row, column);
    return ideaRow({ name, kind: KINDS[result.gates.kind[g]], rank: value("rank"), coverage: value("coverage"), liability: value("liability"),
      where: whereText(value), alike, why: whyOf(result, model.argument.ev, model.argument.listed.gates[g], g), isNew: !before.has(name), marks: marksOf(model, gates, row),
      isFirm: result.isMoved ? result.firm.gates[g] === result.gates.kind[g] : null });
  });
  byId("ideas-count").textContent = rows.length === 1 ? "1 idea" : `${rows.length} ideas that differ`;
  byId("ideas").replaceChildren(...(rows.length ? rows : [el("li", { class: "empty" }, "Nothing is left: under these settings every gate of this file is over cap, below the coverage floor, or below the surface score.")]));
}
