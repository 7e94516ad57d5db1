"use strict";
// Tips for the marks of a plot.
const tip = document.body.appendChild(Object.assign(document.createElement("div"), { id: "tip", hidden: true }));
document.addEventListener("mousemove", (event) => {
  const mark = event.target.closest("[data-tip]");
  tip.hidden = mark === null;
  if (mark === null) return;
  tip.textContent = mark.dataset.tip;
  const right = event.pageX + 14 + tip.offsetWidth > document.documentElement.clientWidth + window.scrollX;
  tip.style.left = `${event.pageX + (right ? -14 - tip.offsetWidth : 14)}px`;
  tip.style.top = `${event.pageY + 14}px`;
});

// Tables that sort by a click on a column's head.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
      const order = (a, b) => (isNaN(a) || isNaN(b) || a === "" || b === "" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
      const rows = [...table.tBodies[0].rows].sort((a, b) => order(key(a), key(b)));
      table.tBodies[0].append(...(down ? rows.reverse() : rows));
    });
  });
}

// The configuration: find a setting, leave out what nobody set.
for (const tools of document.querySelectorAll(".tools")) {
  tools.hidden = false;
  const [search, onlySet] = tools.querySelectorAll("input");
  const groups = [...tools.parentElement.querySelectorAll("table.config tbody")];
  const show = () => {
    const wanted = search.value.toLowerCase();
    for (const group of groups) {
      const rows = [...group.rows].slice(1);
      for (const row of rows) {
        row.hidden = !row.textContent.toLowerCase().includes(wanted) || (onlySet.checked && row.classList.contains("default"));
      }
      group.hidden = rows.every((row) => row.hidden);
    }
  };
  search.addEventListener("input", show);
  onlySet.addEventListener("change", show);
}

// Paper has nothing to click on.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((chain) => (chain.open = true)));
