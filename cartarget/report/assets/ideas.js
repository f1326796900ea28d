// The shortlist on the front page: as the run wrote it, or as a reader's settings make it.

import { el, svg, byId, pill, linkTo, fractionText, countText, signed } from "./dom.js";
import { NOT, KINDS } from "./judge.js";

/** What a gate achieves that its members do not, in one line. */
export function whyOf(result, list, g) {
  const after = KINDS[result.gates.kind[g]];
  const [a, b] = [list.a[g], list.b[g]];
  if (a === b) return `${after} alone: no partner is needed`;
  const sensed = list.op[g] === NOT ? [a] : [a, b];
  const kinds = sensed.map((one) => KINDS[result.single.kind[one]]);
  const name = (one) => result.symbols[one];
  if (kinds.every((kind) => kind === after)) {
    const best = Math.max(...sensed.map((one) => result.single.selectivity[one]));
    return `${after} like its members, with ${signed(result.gates.selectivity[g] - best)} in selectivity`;
  }
  const before = kinds.length === 2 && kinds[0] === kinds[1] ? `both are ${kinds[0]} alone` : `${sensed.map((one, i) => `${name(one)} is ${kinds[i]}`).join(" and ")} alone`;
  return list.op[g] === NOT ? `${before}; ${name(b)} spares normal cells: ${after} together` : `${before}, ${after} together`;
}

const bar = (value, kind) => svg("rect", { class: `leader-${kind}`, y: kind === "coverage" ? 1 : 7, width: (64 * value).toFixed(1), height: 4 });

/** One idea of the shortlist. */
function ideaRow({ name, kind, rank, coverage, liability, where, alike, why, isNew }) {
  return el("li", {},
    el("span", { class: "idea-rank" }, countText(rank)),
    el("span", { class: "idea-name" }, el("a", { href: linkTo(name, "gate") }, name), isNew && el("b", { class: "new" }, "new"), el("small", {}, why)), pill(kind),
    el("span", { class: "idea-bars" }, svg("svg", { class: "leader-bars", width: 64, height: 12, role: "img", "aria-label": `coverage ${fractionText(coverage)}, liability ${fractionText(liability)}` },
      svg("rect", { class: "track", y: 2, width: 64, height: 2 }), svg("rect", { class: "track", y: 8, width: 64, height: 2 }), bar(coverage, "coverage"), liability !== null && bar(liability, "liability"))),
    el("span", { class: "leader-numbers" }, el("b", {}, fractionText(coverage)), " ", el("i", {}, liability === null ? "–" : fractionText(liability))),
    el("span", { class: "idea-where" }, where ?? ""), el("span", { class: "idea-alike" }, alike ? `+${countText(alike)} like it` : ""));
}

/** Draw the shortlist of a result; `before` holds the names of the run's own. */
export function drawIdeas(model, result, before) {
  const { gates } = model;
  const rows = result.ideas.map(({ row, g, alike }) => {
    const name = gates.key.get(row), value = (column) => gates.value(row, column);
    return ideaRow({ name, kind: KINDS[result.gates.kind[g]], rank: value("rank"), coverage: value("coverage"), liability: value("liability"),
      where: value("liability_population"), alike, why: whyOf(result, model.argument.pairs, g), isNew: !before.has(name) });
  });
  byId("ideas-count").textContent = rows.length === 1 ? "1 idea" : `${rows.length} ideas that differ`;
  byId("ideas").replaceChildren(...(rows.length ? rows : [el("li", { class: "empty" }, "Nothing is left: under these settings every gate of this file is unsafe, below the coverage floor, or short of surface votes.")]));
}
