// What an argument changes, in words, and as files that run the full search again. Pure.

import { fractionText, plural, countText } from "./dom.js";

const sayList = (list) => (list.length < 2 ? list.join("") : `${list.slice(0, -1).join(", ")} and ${list.at(-1)}`);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** A threshold with its unit: 1 count, 2 counts, 10 CPM. */
export const thresholdText = (ev, i) => `${ev.thresholds[i]} ${ev.thresholds[i] === 1 ? ev.unit.replace(/s$/, "") : ev.unit}`;

/** What was moved, in words. */
export function movesOf(ev, start, settings) {
  const moves = [];
  if (settings.tolerated.length) moves.push(`tolerating ${sayList(settings.tolerated)}`);
  if (settings.threshold !== start.threshold) moves.push(`counting from ${thresholdText(ev, settings.threshold)} on`);
  if (settings.floor !== start.floor) moves.push(`a coverage floor of ${fractionText(settings.floor)}`);
  if (settings.surface !== start.surface) moves.push(`asking for a surface score of ${settings.surface}`);
  for (const [tier, { weight, cap }] of Object.entries(settings.tiers)) {
    const was = start.tiers[tier];
    if (weight !== was.weight) moves.push(`a weight of ${fractionText(weight)} for ${tier} tissues`);
    if (cap !== was.cap) moves.push(`a cap of ${fractionText(cap)} in ${tier} tissues`);
  }
  return moves;
}

/** Rows that are candidates, best first: ranked, and within caps or origin only (if the run has none, unknown too). */
export function candidatesOf(result, worst) {
  return result.ranked.gates.order.filter((g) => result.ranked.gates.rank[g] > 0 && result.gates.kind[g] <= worst);
}

/** Say what settings change, in a few sentences. */
export function sayChange({ ev, start, base, now, nameOf }) {
  const moves = movesOf(ev, start, now.settings);
  if (moves.length === 0) return "These are the run's own settings.";
  const worst = candidatesOf(base, 1).length ? 1 : 2;
  const word = worst === 1 ? "candidate" : "candidate of unknown safety";
  const words = worst === 1 ? "candidates" : "candidates of unknown safety";
  const [before, after] = [candidatesOf(base, worst), candidatesOf(now, worst)];
  const was = new Set(before), is = new Set(after);
  const added = after.filter((g) => !was.has(g)), lost = before.filter((g) => !is.has(g));
  const parts = [];
  if (added.length) parts.push(`${moves.length > 1 ? "add" : "adds"} ${plural(added.length, word, words)}, ${nameOf(added[0])} first`);
  const idle = lost.filter((g) => now.redundant[g] && now.gates.isEligible[g] && now.gates.kind[g] <= worst).length;
  const why = idle === 0 ? "" : idle === lost.length ? ": a member does as well" : `; for ${countText(idle)} a member does as well`;
  if (lost.length) parts.push(`${moves.length > 1 ? "take" : "takes"} ${countText(lost.length)} away (${nameOf(lost[0])} first${why})`);
  const effect = parts.length ? parts.join(", and ") : `${moves.length > 1 ? "change" : "changes"} no candidate`;
  const sentences = [`${capital(sayList(moves))} ${effect}${parts.length ? `; ${countText(before.length)} become ${countText(after.length)}` : ""}.`];
  const listed = (result) => result.ideas.map(({ g }) => g);
  const ideas = new Set(listed(base)), kept = new Set(listed(now));
  const fresh = listed(now).filter((g) => !ideas.has(g)), gone = listed(base).filter((g) => !kept.has(g));
  const some = (list) => `${list.slice(0, 3).map(nameOf).join(", ")}${list.length > 3 ? " …" : ""}`;
  if (fresh.length || gone.length) sentences.push(`On the shortlist: ${[fresh.length && `${fresh.length} new (${some(fresh)})`, gone.length && `${gone.length} gone (${some(gone)})`].filter(Boolean).join(", ")}.`);
  const lead = (result) => result.ranked.gates.order.find((g) => result.ranked.gates.rank[g] === 1);
  const [first, then] = [lead(base), lead(now)];
  if (then === undefined) sentences.push("Nothing is ranked any more.");
  else sentences.push(first === then ? `${nameOf(then)} still leads.` : `${nameOf(then)} now leads${first === undefined ? "" : `, before ${nameOf(first)}`}.`);
  return sentences.join(" ");
}

const close = (x, y) => Math.abs(Number(x) - y) < 1e-8;

/** The run's table of tiers with the reader's weights, caps and tolerated tissues. */
export function changedTiers(ev, settings) {
  const lines = ev.tiers.split("\n");
  const head = lines.find((line) => line.startsWith("tissue\t"))?.split("\t") ?? [];
  const at = Object.fromEntries(head.map((name, i) => [name.trim(), i]));
  return lines.map((line) => {
    const cells = line.split("\t");
    const tier = cells[at.tier]?.trim(), reference = ev.reference[tier];
    if (!reference || line.startsWith("#")) return line;
    let weight = cells[at.weight] === "" ? reference.weight : Number(cells[at.weight]), cap = cells[at.cap] === "" ? reference.cap : Number(cells[at.cap]);
    if (close(weight, reference.weight) && close(cap, reference.cap)) ({ weight, cap } = settings.tiers[tier]);
    if (settings.tolerated.includes(cells[at.tissue].trim())) [weight, cap] = [Math.min(weight, settings.tiers.tolerable.weight), 1];
    [cells[at.weight], cells[at.cap]] = [String(weight), String(cap)];
    return cells.join("\t");
  }).join("\n");
}

/** The run's configuration with what was moved; YAML whose values are JSON. */
export function changedConfig(ev, start, settings, { config, tiersFile }) {
  const moves = movesOf(ev, start, settings);
  const changed = structuredClone(config);
  changed.name = `${config.name ?? "run"}-argued`;
  if (settings.floor !== start.floor) changed.coverage_floor = settings.floor;
  if (settings.threshold !== start.threshold) changed.thresholds = { ...config.thresholds, [ev.isCells ? "count" : "bulk"]: ev.thresholds[settings.threshold] };
  if (settings.surface !== start.surface) changed.surface = { ...config.surface, min_score: settings.surface };
  if (tiersFile) changed.tiers = tiersFile;
  const note = [`# ${moves.length ? capital(sayList(moves)) : "Nothing was moved"}: argued in the report of ${config.name ?? "the run"}; run it again with`, "#   cartarget run THIS_FILE",
    ...(tiersFile ? [`# ${tiersFile} was saved beside it and has to lie in the folder from which you run.`] : [])];
  return `${note.join("\n")}\n${Object.entries(changed).map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join("\n")}\n`;
}
