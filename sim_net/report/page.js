"use strict";
// Comfort only: the page says everything without it. Copies the replay line, sorts tables by a heading.
for (const command of document.querySelectorAll("pre.command")) {
  if (!navigator.clipboard) break;
  const button = document.createElement("button");
  button.textContent = "Copy";
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(command.textContent).then(
      () => { button.textContent = "Copied"; },
      () => { button.textContent = "Select and copy by hand"; });
  });
  command.after(button);
}
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const falls = heading.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", falls ? "descending" : "ascending");
      const body = table.tBodies[0];
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
      const compare = (a, b) => {
        const [x, y] = [key(a), key(b)];
        const both = x !== "" && y !== "" && !isNaN(x) && !isNaN(y);
        return both ? x - y : x.localeCompare(y);
      };
      body.append(...[...body.rows].sort((a, b) => (falls ? -1 : 1) * compare(a, b)));
    });
  });
}
