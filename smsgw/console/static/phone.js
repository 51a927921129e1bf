// The keypad of the try-out phone: letters by tapping again, words by guessing (T9), or digits.
// Without this file the phone is typed on by keyboard, and all else works the same.
"use strict";

const LETTERS = {
  1: ".,#-/?!:@*+", 2: "ABC", 3: "DEF", 4: "GHI", 5: "JKL", 6: "MNO", 7: "PQRS", 8: "TUV",
  9: "WXYZ", 0: " ", "*": "*+", "#": "#",
};
const MODES = ["T9", "Abc", "123"];
const NOTHING = { digits: "", shown: "", chosen: 0 };
const TAP_AGAIN = 900; // milliseconds in which the same key turns its letter into the next
const SEPTETS = /^[@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !"#¤%&'()*+,\-./0-9:;<=>?¡A-ZÄÖÑÜ§¿a-zäöñüà]*$/;

let mode = "Abc";
let tapped = { key: "", at: 0, count: 0 };
let guessed = NOTHING;

const handset = () => document.querySelector(".handset");
const area = () => document.querySelector(".handset textarea");
const digitOf = (letter) => Object.keys(LETTERS).find((key) => LETTERS[key].includes(letter));
const digits = (word) => [...word].map(digitOf).join("");

function write(text, instead = 0) {
  const field = area();
  field.value = field.value.slice(0, field.value.length - instead) + text;
  field.scrollTop = field.scrollHeight;
  count();
}

function count() {
  const text = area().value;
  const isCheap = SEPTETS.test(text);
  const [one, more] = isCheap ? [160, 153] : [70, 67];
  const parts = text.length <= one ? 1 : Math.ceil(text.length / more);
  const room = parts === 1 ? one : parts * more;
  document.querySelector(".handset .left").value = `${room - text.length}/${parts}`;
  document.querySelector(".handset .mode").value = mode;
}

function tap(key) {
  const now = Date.now();
  const isAgain = tapped.key === key && now - tapped.at < TAP_AGAIN;
  const letters = LETTERS[key] + (/\d/.test(key) && key !== "1" ? key : "");
  tapped = { key, at: now, count: isAgain ? tapped.count + 1 : 0 };
  write(letters[tapped.count % letters.length], isAgain ? 1 : 0);
}

// Words of that length first, then longer ones; what nobody knows is the first letters of its keys.
function candidates(typed) {
  const words = handset().dataset.words.split(" ").filter((word) => digits(word).startsWith(typed));
  const exact = words.filter((word) => word.length === typed.length);
  const longer = words.filter((word) => word.length > typed.length);
  const plain = [...typed].map((key) => LETTERS[key][0]).join("");
  return exact.length + longer.length ? [...exact, ...longer] : [plain];
}

function guess(key) {
  const typed = guessed.digits + key;
  const found = candidates(typed);
  const shown = found[0].slice(0, typed.length);
  write(shown, guessed.shown.length);
  guessed = { digits: typed, shown, chosen: 0 };
}

function nextGuess() {
  const found = candidates(guessed.digits);
  const isCut = guessed.shown !== found[guessed.chosen];
  const chosen = isCut ? guessed.chosen : (guessed.chosen + 1) % found.length;
  write(found[chosen], guessed.shown.length);
  guessed = { ...guessed, shown: found[chosen], chosen };
}

function over() {
  guessed = NOTHING;
  tapped = { key: "", at: 0, count: 0 };
}

function press(key) {
  if (key === "#") {
    mode = MODES[(MODES.indexOf(mode) + 1) % MODES.length];
    over();
    return count();
  }
  if (key === "C") {
    over();
    return write("", 1);
  }
  if (mode === "123") return write(key);
  if (mode === "T9" && /[2-9]/.test(key)) return guess(key);
  if (mode === "T9" && key === "*" && guessed.digits) return nextGuess();
  guessed = NOTHING;
  return tap(key);
}

function ready() {
  if (!handset()) return;
  document.querySelector(".handset .keypad").hidden = false;
  over();
  count();
}

document.addEventListener("click", (event) => {
  const key = event.target.closest("[data-key]");
  if (key) press(key.dataset.key);
});
document.addEventListener("input", (event) => {
  if (event.target !== area()) return;
  over();
  count();
});
document.addEventListener("keydown", (event) => {
  if (event.target !== area() || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  document.querySelector(".handset .send").click();
});
document.addEventListener("htmx:afterSettle", ready);
ready();
