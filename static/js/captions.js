/**
 * The review of captions by keyboard: single keys press what is on the page, the length is counted while one types, and
 * text that was not saved is there again when one comes back to its image.
 */
import { find, findAll, revealScripted, setAttribute, setHidden, setIcon, setText } from "./hooks.js";
import { announcer } from "./page_announcer.js";

const KEYS_OFF = "taskroom.captions.keys-off";
const ICONS = { good: "check", short: "silent", long: "silent", over: "failed" };
const WORDS = { good: "a good length", short: "short", long: "long", over: "too long" };

/** How a text's length stands to what is wished: the same rule as jobs/caption_images/wording.py. */
export function lengthWord(length, { low, high, longest }) {
  if (length > longest) return "over";
  if (length < low) return "short";
  return length > high ? "long" : "good";
}

/** Characters as people and Python count them: an emoji is one. */
export const characters = (text) => [...text.split(/\s+/).filter(Boolean).join(" ")].length;

class CaptionText {
  constructor(form) {
    this.form = form;
    this.area = find(form, "caption");
    this.key = `taskroom.caption:${form.dataset.image}:${form.dataset.revision}`;
    this.wished = { low: Number(form.dataset.low), high: Number(form.dataset.high), longest: Number(form.dataset.longest) };
    const kept = sessionStorage.getItem(this.key);
    if (kept !== null && !this.area.matches("[aria-invalid]")) this.area.value = kept;
    this.area.addEventListener("input", () => this.#changed());
    form.addEventListener("submit", () => sessionStorage.removeItem(this.key));
    find(form, "discard").addEventListener("click", () => sessionStorage.removeItem(this.key));
    this.#paint();
  }

  restore() {
    this.area.value = this.area.dataset.drafted;
    this.#changed();
    announcer.polite.say("The text is as it was drafted.");
  }

  #changed() {
    if (this.area.value === this.area.dataset.saved) sessionStorage.removeItem(this.key);
    else sessionStorage.setItem(this.key, this.area.value);
    this.#paint();
  }

  #paint() {
    const length = characters(this.area.value);
    const word = lengthWord(length, this.wished);
    const meter = find(this.form, "length");
    meter.dataset.length = word;
    setAttribute(find(meter, "length-fill"), "width", `${Math.min(100, (100 * length) / this.wished.longest).toFixed(1)}%`);
    setIcon(find(meter, "length-now"), ICONS[word]);
    setText(find(meter, "length-text"), `${length.toLocaleString("en")} ${length === 1 ? "character" : "characters"}, ${WORDS[word]}`);
    setHidden(find(this.form, "unsaved"), this.area.value === this.area.dataset.saved);
  }
}

function zoom(figure) {
  const isZoomed = figure.toggleAttribute("data-zoomed");
  announcer.polite.say(isZoomed ? "Full size." : "Fitted.");
}

/** What a key presses is on the page, so that a key never does what a click could not. */
function press(key, page, text) {
  if (key === "e") {
    text?.area.focus();
    text?.area.setSelectionRange(text.area.value.length, text.area.value.length);
    return Boolean(text);
  }
  if (key === "r" && text?.area.dataset.drafted) {
    text.restore();
    return true;
  }
  const figure = find(page, "figure");
  if (key === "z" && figure && find(figure, "zoom")) {
    zoom(figure);
    return true;
  }
  const target = page.querySelector(`[data-key="${CSS.escape(key)}"]`);
  target?.click();
  return Boolean(target);
}

function listen(page, text) {
  document.addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open], details[data-menu][open]")) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && text) {
      event.preventDefault();
      page.querySelector('[data-key="a"]').click();
      return;
    }
    const isTyping = event.target.closest?.("textarea, input, select");
    if (isTyping && event.key === "Escape") event.target.blur();
    if (isTyping || event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem(KEYS_OFF)) return;
    if (press(event.key.toLowerCase(), page, text)) event.preventDefault();
  });
}

function keysSwitch(page) {
  const button = find(page, "keys-switch");
  if (!button) return;
  const paint = () => {
    const isOff = Boolean(localStorage.getItem(KEYS_OFF));
    setAttribute(button, "aria-pressed", String(!isOff));
    setText(button, isOff ? "Turn them on" : "Turn them off");
    setText(button.previousElementSibling, isOff ? "Single keys are off." : "Single keys work only outside the text.");
  };
  button.addEventListener("click", () => {
    if (localStorage.getItem(KEYS_OFF)) localStorage.removeItem(KEYS_OFF);
    else localStorage.setItem(KEYS_OFF, "1");
    paint();
  });
  paint();
}

const page = document.querySelector('[data-page="captions"]');
if (page) {
  const form = find(page, "caption-form");
  const text = form ? new CaptionText(form) : null;
  for (const part of [...findAll(page, "zoom"), ...findAll(page, "frame")]) {
    part.addEventListener("click", (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      zoom(find(page, "figure"));
    });
  }
  page.querySelector('[data-key="r"]')?.addEventListener("click", (event) => {
    event.preventDefault();
    text.restore();
  });
  const current = find(page, "current");
  current?.closest(".cap-list").scrollTo({ top: current.offsetTop - 120, left: current.offsetLeft - 120 });
  revealScripted(page);
  keysSwitch(page);
  listen(page, text);
  const did = find(page, "did-text");
  if (did) announcer.polite.say(did.textContent);
}
