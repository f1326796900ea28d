// The report wakes up: decode once, draw what is on the front page, wait for questions.

import { byId } from "./dom.js";
import { decode, table, exposure } from "./payload.js";
import { drawTables } from "./tables.js";
import { drawWindow } from "./window.js";
import { wireCard } from "./card.js";
import { wireSearch } from "./search.js";

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
  const model = { run: block.header.run, lost: new Map(lost.names.map((name, i) => [name, lost.reasons[lost.at[i]]])), antigens: table(block, "antigens"), gates: table(block, "gates"), exposure: exposure(block) };
  drawTables(model);
  drawWindow(model);
  wireSearch(model);
  wireCard(model);
  byId("print").addEventListener("click", () => print());
  document.documentElement.dataset.ready = "yes";
}

start();
