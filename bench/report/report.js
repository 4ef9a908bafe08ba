"use strict";
const page = document.documentElement;
page.classList.add("js");

for (const figure of document.querySelectorAll(".compare")) {
  const input = figure.querySelector("input");
  // The slider's handle must stand under the line between the pictures: neither is wider than the pictures.
  figure.style.maxWidth = `${figure.querySelector("img").getAttribute("width")}px`;
  const show = () => {
    figure.style.setProperty("--split", `${input.value}%`);
    figure.dataset.split = input.value;
    input.setAttribute("aria-valuetext", `${input.value} % noisy, ${100 - input.value} % denoised`);
  };
  input.addEventListener("input", show);
  show();
}

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

// Tells a program that looks at the page whether every picture could be shown.
addEventListener("load", () => {
  page.dataset.state = [...document.images].every((image) => image.naturalWidth > 0) ? "ready" : "picture missing";
});
