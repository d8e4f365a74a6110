"""How the page looks, and what it does by itself."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --ink: #1a1a1a; --dim: #555; --line: #d5d5d5; --back: #fff;
  --head: #f3f3f3; --link: #0b57a4;
  font: 14px/1.4 "Liberation Sans", Arial, Helvetica, sans-serif; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e8e8; --dim: #a8a8a8; --line: #444;
  --back: #161616; --head: #242424; --link: #8ab8ec; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0 auto; max-width: 84rem; padding: .75rem 1rem 3rem; color: var(--ink);
  background: var(--back); }
a { color: var(--link); }
a:focus-visible, button:focus-visible, summary:focus-visible, .wide:focus-visible,
input:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; }
.skip:focus { left: 1rem; top: .5rem; background: var(--back); padding: .25rem .5rem; }
h1 { font-size: 1.35rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.25rem 0 .5rem; border-bottom: 1px solid var(--line);
  padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 0; display: inline; }
p { margin: .3rem 0; max-width: 60rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .15rem 1rem; list-style: none; margin: .4rem 0;
  padding: 0; }
small, .links, .table p, .chart p { color: var(--dim); font-size: .85rem; }
.front { display: grid; grid-template-columns: minmax(0, 7fr) minmax(0, 9fr);
  grid-template-rows: auto 1fr; gap: 0 1.5rem; align-items: start; }
.front .fits { grid-column: 2; grid-row: 1 / span 2; }
.front .speeds-by-device { grid-column: 1 / -1; }
figure { margin: .75rem 0 1.25rem; }
.front figure { margin: .5rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: bold; padding: 0 0 .35rem; }
caption small { display: block; font-weight: normal; }
th, td { padding: .18rem .6rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { background: var(--head); vertical-align: bottom; font-weight: bold; }
th:first-child, td:first-child { padding-left: .3rem; }
th small { display: block; font-weight: normal; }
.n { text-align: right; }
td.n, td.code, .front td { white-space: nowrap; }
.front th, .front td { padding: .1rem .5rem; }
tbody tr:hover { background: var(--head); }
tfoot td { font-weight: bold; border-top: 2px solid var(--dim); }
.wide { overflow-x: auto; max-width: 100%; }
.long { max-height: 80vh; overflow-y: auto; }
.long thead th { position: sticky; top: 0; z-index: 1; }
th button { all: unset; cursor: pointer; font: inherit; }
th button::before { content: "\\2195"; color: var(--dim); font-weight: normal;
  padding-right: .25em; }
th[aria-sort=ascending] button::before { content: "\\2191"; color: inherit; }
th[aria-sort=descending] button::before { content: "\\2193"; color: inherit; }
.filter { display: block; margin: 0 0 .4rem; font-size: .85rem; color: var(--dim); }
.filter input { font: inherit; margin-left: .4rem; padding: .1rem .3rem; width: 16rem; }
.chart img { display: block; background: #fff; max-width: none; }
details { margin: .3rem 0; }
section > details { border-bottom: 1px solid var(--line); padding: .25rem 0; }
summary { cursor: pointer; }
.links { margin: .2rem 0 0; }
.paper { display: none; }
@media (max-width: 62rem) {
  .front { grid-template-columns: minmax(0, 1fr); grid-template-rows: none; }
  .front .fits { grid-column: auto; grid-row: auto; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  :root { color-scheme: light; --ink: #000; --dim: #333; --line: #bbb; --back: #fff; --head: #fff;
    font-size: 9pt; }
  body { max-width: none; padding: 0; }
  nav, .skip, .links, .filter, .off, .chart details > summary, .chart details { display: none; }
  /* Chromium repeats no head that holds a form control with a box of its own. */
  th button { display: contents; }
  th button::before { content: none !important; }
  section .chart, section .table:not(:has(.long)) { display: inline-block; vertical-align: top; }
  .table { min-width: 49%; max-width: 100%; }
  .table p { width: 0; min-width: 100%; }
  .chart { width: 49%; }
  .chart img { width: 100%; height: auto; }
  .paper { display: block; }
  .front { grid-template-columns: 7fr 9fr; }
  .front .fits { grid-column: 2; grid-row: 1 / span 2; }
  .wide, .long { overflow: visible; max-height: none; }
  details::details-content { content-visibility: visible; block-size: auto; }
  thead { display: table-header-group; break-inside: avoid; }
  .long thead th { position: static; }
  tr, caption, .chart, .wide:not(.long) { break-inside: avoid; }
  h2, h3, caption, summary { break-after: avoid; }
  th, td { padding: .1rem .4rem; }
}
"""


SCRIPT = """
"use strict";
const words = new Intl.Collator("en", { numeric: true });

function key(row, index) {
  const cell = row.cells[index];
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  const text = cell.textContent.trim();
  return text === "" || text === "\\u2014" ? null : text;
}

function compare(one, other) {
  if (typeof one === "number" && typeof other === "number") return one - other;
  return words.compare(String(one), String(other));
}

function sort(table, index, direction) {
  const body = table.tBodies[0];
  const keyed = table.order.map((row) => [key(row, index), row]);
  if (direction !== 0) {
    // What is unknown stays last, whichever way the rest is sorted.
    keyed.sort(([one], [other]) =>
      one === null || other === null
        ? (one === null) - (other === null)
        : direction * compare(one, other));
  }
  body.append(...keyed.map(([, row]) => row));
}

function makeSortable(table) {
  table.order = [...table.tBodies[0].rows];
  if (table.order.length < 2) return;
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const next = { none: "ascending", ascending: "descending", descending: "none" }[before];
      heads.forEach((each) => each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      sort(table, index, { none: 0, ascending: 1, descending: -1 }[next]);
    });
  });
}

function makeFindable(table) {
  if (table.order.length < 40) return;
  const label = document.createElement("label");
  const input = document.createElement("input");
  label.className = "filter";
  input.type = "search";
  label.append("Rows with", input);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\\s+/).filter(Boolean);
    for (const row of table.order) {
      const text = row.textContent.toLowerCase();
      row.hidden = !wanted.every((word) => text.includes(word));
    }
  });
  table.closest(".wide").before(label);
}

function openLinked() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let each = target; each; each = each.parentElement) {
    if (each.tagName === "DETAILS") each.open = true;
  }
  if (target) target.scrollIntoView();
}

for (const table of document.querySelectorAll("table")) {
  makeSortable(table);
  makeFindable(table);
}
addEventListener("hashchange", openLinked);
addEventListener("beforeprint", () => {
  for (const each of document.querySelectorAll("section > details")) each.open = true;
});
if (location.hash) openLinked();
"""
