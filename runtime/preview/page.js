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
    input.setAttribute("aria-valuetext", `${input.value} % before, ${100 - input.value} % after`);
  };
  input.addEventListener("input", show);
  show();
}

// Tells a program that looks at the page whether every picture could be shown.
addEventListener("load", () => {
  page.dataset.state = [...document.images].every((image) => image.naturalWidth > 0) ? "ready" : "picture missing";
});
