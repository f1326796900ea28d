// The report wakes up: decode once, draw what is on the front page, wait for questions.

import { byId } from "./dom.js";
import { decode, table, exposure } from "./payload.js";
import { drawTables } from "./tables.js";
import { drawWindow } from "./window.js";
import { wireCard, refreshCard } from "./card.js";
import { wireSearch } from "./search.js";
import { openArgument } from "./argument.js";
import { wireArgue } from "./drawer.js";
import { wireOwn } from "./own.js";
import { wireDossier } from "./dossier.js";
import { reorder } from "./grid.js";

function wireTheme() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const button = byId("theme");
  const set = (theme) => { root.dataset.theme = theme; button.setAttribute("aria-label", theme === "dark" ? "Switch to light" : "Switch to dark"); };
  set(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => set(dark.matches ? "dark" : "light"));
  button.addEventListener("click", () => set(root.dataset.theme === "dark" ? "light" : "dark"));
}

async function start() {
  wireTheme();
  const block = await decode(byId("payload").textContent);
  const { lost } = block.header.run;
  const stored = exposure(block);
  const model = { run: block.header.run, lost: new Map(lost.names.map((name, i) => [name, lost.reasons[lost.at[i]]])), aliases: block.header.run.aliases, antigens: table(block, "antigens"), gates: table(block, "gates"), argument: null };
  for (const name of ["trust", "replication", "conflicts", "doublets"]) model[name] = block.header[name] ? table(block, name) : null;
  model.product = block.header.product;
  model.exposure = (name) => {
    const found = model.argument?.find(name);
    return found ? model.argument.exposure(model.argument.current(), found) : stored(name);
  };
  const grids = drawTables(model);
  const redraw = drawWindow(model);
  wireSearch(model);
  wireCard(model);
  byId("print").addEventListener("click", () => print());
  document.documentElement.dataset.ready = "yes";
  if (byId("evidence")) setTimeout(() => argue(model, { grids, redraw }), 0);
  else wireDossier(model);
}

/** The counted evidence comes second: the front page stands before it is unpacked. */
async function argue(model, { grids, redraw }) {
  const evidence = byId("evidence");
  model.argument = openArgument(await decode(evidence.textContent), model);
  evidence.remove();
  const build = wireOwn(model);
  const tables = (result, isMoved) => {
    for (const name of ["antigens", "gates"]) {
      const { rows } = name === "gates" ? model.argument.listed : model.argument.alone;
      reorder(grids[name], model[name].n, isMoved ? Array.from(result.ranked[name].order, (g) => rows[g]) : null);
    }
  };
  wireArgue(model, { redraw, tables, refresh: () => { refreshCard(model); build(); } });
  refreshCard(model);
  wireDossier(model);
  document.documentElement.dataset.evidence = "yes";
}

start();
