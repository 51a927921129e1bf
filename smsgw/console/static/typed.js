// What is typed in a page is still there in another language. A few pages keep it without this file:
// there their form goes along.
"use strict";

const KEPT = "typed";
const NEVER = ["hidden", "password", "file"];

const typedIn = () =>
  [...document.querySelectorAll("main form [name]")].filter((each) => !NEVER.includes(each.type));
const isChoice = (field) => field.type === "checkbox" || field.type === "radio";
const placeOf = (field) =>
  [field.form.getAttribute("action"), field.name, isChoice(field) ? field.value : ""].join(" ");

function keep() {
  const held = typedIn().map((each) => [placeOf(each), isChoice(each) ? each.checked : each.value]);
  sessionStorage.setItem(KEPT, JSON.stringify(held));
}

function giveBack() {
  const held = JSON.parse(sessionStorage.getItem(KEPT) ?? "[]");
  sessionStorage.removeItem(KEPT);
  for (const field of typedIn()) {
    const index = held.findIndex(([place]) => place === placeOf(field));
    if (index < 0) continue;
    const [[, value]] = held.splice(index, 1);
    field[isChoice(field) ? "checked" : "value"] = value;
  }
}

document.querySelector(".languages")?.addEventListener("submit", keep);
giveBack();
