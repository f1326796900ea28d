// One table of the report: DataTables with our own header, filters, column chooser and CSV.
/* global DataTable */

import { el, show, plural } from "./dom.js";
import { describe } from "./tip.js";

const CLASS_ORDER = ["within caps", "origin only", "unknown", "over cap"];
const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
const last = (compare) => (a, b) => (a === null ? (b === null ? 0 : 1) : b === null ? -1 : compare(a, b));

function teachOrders() {
  const order = DataTable.ext.type.order;
  order["known-asc"] = last((a, b) => a - b);
  order["known-desc"] = last((a, b) => b - a);
  order["words-asc"] = last((a, b) => collator.compare(a, b));
  order["words-desc"] = last((a, b) => collator.compare(b, a));
}

function sortValue(value, column) {
  if (value === null || value === "") return null;
  if (column.name === "safety_class") return CLASS_ORDER.indexOf(value);
  return column.kind === "flag" ? Number(value) : value;
}

/** What a filter's text asks of a number: `>0.5`, `<=3`, `0.2-0.5`, or a bare number on the column's better side. */
export function numberTest(text, better) {
  const ask = text.trim().replace(",", ".").replace("−", "-");
  if (ask === "") return null;
  const range = /^(-?[\d.]+)\s*(?:-|–|\.\.|to)\s*(-?[\d.]+)$/.exec(ask);
  if (range) return (value) => value >= Number(range[1]) && value <= Number(range[2]);
  const one = /^(>=|<=|>|<|=|≥|≤)?\s*(-?\d*\.?\d+)$/.exec(ask);
  if (!one) return () => false;
  const limit = Number(one[2]);
  const sign = one[1] ?? (better === "lower" ? "<=" : better === "higher" ? ">=" : "=");
  return {
    ">": (value) => value > limit, "<": (value) => value < limit, "=": (value) => value === limit,
    ">=": (value) => value >= limit, "≥": (value) => value >= limit, "<=": (value) => value <= limit, "≤": (value) => value <= limit,
  }[sign];
}

function filterTest(text, column) {
  if (text === "") return null;
  if (["text", "category"].includes(column.kind)) {
    if (column.name === "safety_class") return (value) => value === text;
    const part = text.toLowerCase();
    return (value) => value !== null && value.toLowerCase().includes(part);
  }
  if (column.kind === "flag") return (value) => value === (text === "yes");
  const test = numberTest(text, column.better);
  return test && ((value) => value !== null && test(value));
}

function filterField(column, onchange) {
  const label = `Filter ${column.title}`;
  const choices = column.name === "safety_class" ? CLASS_ORDER : column.kind === "flag" ? ["yes", "no"] : null;
  if (choices) {
    return el("select", { "aria-label": label, onchange }, el("option", { value: "" }, "any"),
      choices.map((choice) => el("option", { value: choice }, choice)));
  }
  const hint = ["text", "category"].includes(column.kind) ? "contains" : column.better === "lower" ? "≤" : column.better === "higher" ? "≥" : "=";
  return el("input", { type: "search", "aria-label": label, placeholder: hint, oninput: onchange, autocomplete: "off", spellcheck: "false" });
}

function columnOf(column, table, cell) {
  return {
    data: (row, type) => {
      const value = column.get(row.i);
      return type === "display" || type === "filter" ? show(value, column) : sortValue(value, column);
    },
    render: DataTable.render.text(),
    type: ["text", "category"].includes(column.kind) && column.name !== "safety_class" ? "words" : "known",
    searchable: column.kind === "text",
    orderSequence: column.better === "higher" ? ["desc", "asc", ""] : ["asc", "desc", ""],
    className: ["count", "fraction", "number"].includes(column.kind) ? "num" : column.kind === "flag" ? "flag" : `text col-${column.name}`,
    createdCell: (node, _, row) => cell(node, column, column.get(row.i), row.i),
  };
}

/** CSV of rows as shown: RFC 4180; a cell that a spreadsheet might run as a formula is quoted by an apostrophe. */
export function csv(table, rows, columns) {
  const quote = (value) => {
    const text = value === null || value === undefined ? "" : String(value);
    const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const plain = (value) => (typeof value === "number" ? Number(value.toPrecision(6)) : value);
  return [columns.map((column) => quote(column.name)), ...rows.map((i) => columns.map((column) => quote(plain(column.get(i)))))]
    .map((line) => line.join(",")).join("\r\n") + "\r\n";
}

/** Save a text as a file. */
export function download(name, text, type = "text/csv") {
  const address = URL.createObjectURL(new Blob([text], { type }));
  el("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

/** Build the table in `host`. `cell(node, column, value, row)` may dress a cell; `presets` are {label, test(row)}. */
export function makeGrid(host, table, { shown, presets, cell, open, noun, run }) {
  if (table.n === 0) {
    host.append(el("p", { class: "empty" }, `No ${noun}s: this run has none to show. The funnel and the limits say why.`));
    return null;
  }
  teachOrders();
  const fields = table.columns.map((column, i) => filterField(column, () => filter(i)));
  const node = el("table", { class: "grid" },
    el("caption", { class: "hidden" }, `${noun}s of this run; a row opens its card`),
    el("thead", {},
      el("tr", {}, table.columns.map((column) => el("th", { scope: "col", "data-column": column.name }, column.title))),
      el("tr", { class: "filters" }, fields.map((field) => el("td", {}, field)))));
  host.append(el("div", { class: "grid-scroll" }, node));
  const api = new DataTable(node, {
    data: Array.from({ length: table.n }, (_, i) => ({ i })),
    columns: table.columns.map((column) => ({ ...columnOf(column, table, cell), visible: shown.includes(column.name) })),
    order: [], titleRow: 0, pageLength: 25, autoWidth: false, deferRender: true,
    layout: { topStart: null, topEnd: null, bottomStart: ["info", "pageLength"], bottomEnd: "paging" },
    lengthMenu: [10, 25, 50, 100],
    language: { info: "_START_–_END_ of _TOTAL_", infoFiltered: "(of _MAX_)", infoEmpty: "none", lengthMenu: "_MENU_ a page", thousands: "\u202f",
      zeroRecords: "No row passes these filters." },
  });
  const filter = (i) => {
    const test = filterTest(fields[i].value, table.columns[i]);
    fields[i].classList.toggle("active", test !== null);
    api.column(i).search.fixed("own", test ? (_, row) => test(table.columns[i].get(row.i)) : null).draw();
  };
  host.prepend(toolbar(api, table, { presets, noun, run }));
  node.addEventListener("click", (event) => {
    const line = event.target.closest("tbody tr");
    if (!line || event.target.closest("a, input, select, button")) return;
    const row = api.row(line).data();
    if (row && !String(getSelection())) open(table.key.get(row.i));
  });
  table.columns.forEach((column) => {
    const head = node.querySelector(`thead th[data-column="${column.name}"]`);
    if (head) describe(head, column);
  });
  const nameNav = () => host.querySelector(".dt-paging nav")?.setAttribute("aria-label", `Pages of ${noun}s`);
  api.on("draw", nameNav);
  nameNav();
  api.on("column-visibility", (_, settings, index, visible) => {
    if (visible) describe(api.column(index).header(), table.columns[index]);
  });
  return api;
}

/** Put the rows of a table in an order, the rest behind; null is the order in which the run wrote them. */
export function reorder(api, n, order) {
  if (api === null) return;
  const first = order ?? [];
  const seen = new Set(first);
  const rest = Array.from({ length: n }, (_, i) => i).filter((i) => !seen.has(i));
  api.clear().rows.add([...first, ...rest].map((i) => ({ i }))).draw(false);
}

function toolbar(api, table, { presets, noun, run }) {
  const search = el("input", { type: "search", class: "search", placeholder: `Search ${noun}s`, "aria-label": `Search ${noun}s`,
    autocomplete: "off", spellcheck: "false", oninput: () => api.search(search.value).draw() });
  const chips = presets.map(({ label, hint, test }) => {
    const chip = el("button", { type: "button", class: "chip", "aria-pressed": "false", title: hint, onclick: () => {
      const on = chip.getAttribute("aria-pressed") !== "true";
      chip.setAttribute("aria-pressed", String(on));
      api.search.fixed(label, on ? (_, row) => test(row.i) : null).draw();
    } }, label);
    return chip;
  });
  const boxes = table.columns.map((column, i) => el("label", {},
    el("input", { type: "checkbox", checked: api.column(i).visible(), onchange: (event) => api.column(i).visible(event.target.checked) }),
    column.title));
  const chooser = el("details", { class: "menu" }, el("summary", { class: "button" }, "Columns"), el("div", { class: "menu-body" }, boxes));
  document.addEventListener("click", (event) => { if (!chooser.contains(event.target)) chooser.open = false; });
  const save = () => {
    const rows = api.rows({ search: "applied", order: "applied" }).data().toArray().map((row) => row.i);
    download(`${run}-${noun}s.csv`, csv(table, rows, table.columns.filter((_, i) => api.column(i).visible())));
  };
  return el("div", { class: "toolbar" }, search, el("div", { class: "chips", role: "group", "aria-label": "Presets" }, chips),
    el("div", { class: "tools" }, chooser, el("button", { type: "button", class: "button", onclick: save }, "CSV")));
}
