const valueOf = (row, column) => row.cells[column].textContent.trim();
const compareCells = (first, second) => {
  const numbers = [first, second].map((text) => parseFloat(text.replaceAll(",", "")));
  if (numbers.some(Number.isNaN)) return first.localeCompare(second);
  return numbers[0] - numbers[1];
};
for (const heading of document.querySelectorAll("table.sortable th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...heading.childNodes);
  heading.append(button);
  button.addEventListener("click", () => {
    const isRising = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", isRising ? "ascending" : "descending");
    const body = heading.closest("table").tBodies[0];
    const sign = isRising ? 1 : -1;
    const column = heading.cellIndex;
    body.append(...[...body.rows].sort((a, b) => sign * compareCells(valueOf(a, column), valueOf(b, column))));
  });
}

addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details")) part.open = true;
});
