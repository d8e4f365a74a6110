"use strict";
const words = new Intl.Collator("en", { numeric: true });

function key(row, index) {
  const cell = row.cells[index];
  if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
  const text = cell.textContent.trim();
  return text === "" || text === "\u2014" ? null : text;
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
  label.append("Filter rows", input);
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
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
