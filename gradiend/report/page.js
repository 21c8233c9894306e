"use strict";
// What a point of a figure says, shown at once instead of after the browser's delay.
const said = document.getElementById("said");
for (const point of document.querySelectorAll("svg .point")) {
  const title = point.querySelector("title");
  if (title) {
    point.dataset.text = title.textContent;
    title.remove();
  }
}
document.addEventListener("pointerover", (event) => {
  const point = event.target instanceof Element ? event.target.closest("[data-text]") : null;
  said.hidden = point === null;
  if (point === null) return;
  said.textContent = point.dataset.text;
  const at = point.getBoundingClientRect();
  const left = Math.min(at.right + 8, window.innerWidth - said.offsetWidth - 8);
  said.style.left = `${Math.max(8, left)}px`;
  const above = at.top - said.offsetHeight - 8;
  said.style.top = `${above > 0 ? above : at.bottom + 8}px`;
});
document.addEventListener("scroll", () => { said.hidden = true; }, { passive: true });
// A table whose header cells hold buttons is sorted by them; cells with data-value are compared as numbers.
function sortBy(header) {
  const table = header.closest("table");
  const body = table.tBodies[0];
  const ascending = header.getAttribute("aria-sort") !== "ascending";
  const value = (row) => {
    const cell = row.cells[header.cellIndex];
    if (!("value" in cell.dataset)) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  const compare = (a, b) => (typeof a === "number" ? a - b : a.localeCompare(b, "en", { numeric: true }));
  const rows = [...body.rows].sort((one, other) => {
    const [a, b] = [value(one), value(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return ascending ? compare(a, b) : compare(b, a);
  });
  for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  body.append(...rows);
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}
// A filter keeps the rows that hold all of its words.
for (const input of document.querySelectorAll("input[data-table]")) {
  input.addEventListener("input", () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...document.getElementById(input.dataset.table).tBodies[0].rows];
    for (const row of rows) row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word));
    document.getElementById(input.getAttribute("aria-describedby")).textContent =
      `${rows.filter((row) => !row.hidden).length} of ${rows.length}`;
  });
}
// In an archive of `snakemake --report`, nothing lies beside this page: what links there is text, or left out.
if (!/^(file|https?):$/.test(location.protocol) || /\/data\/raw\/[0-9a-f]+\/[^/]+$/.test(location.pathname)) {
  for (const note of document.querySelectorAll(".apart")) note.hidden = false;
  for (const links of document.querySelectorAll(".files")) links.remove();
  for (const link of document.querySelectorAll("a.beside")) link.replaceWith(link.textContent);
}
// What is folded is printed too, but for what says that it is for the screen; afterwards it is folded again.
const unfolded = [];
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not([open], .screen)")) {
    part.open = true;
    unfolded.push(part);
  }
});
window.addEventListener("afterprint", () => {
  for (const part of unfolded.splice(0)) part.open = false;
});
