/**
 * The banner under the top bar: one at a time, the most serious first. It lies over room that each page keeps free, so
 * nothing moves; while one stays up only its words change, so that a focused button keeps its focus.
 */
import { button, find, fromTemplate, setAttribute, setIcon, setText } from "./hooks.js";

const ORDER = ["lost", "reconnecting", "down", "paused", "maintenance", "kinds", "version", "again"];
const wanted = new Map();
let shown = null;

/** `banner` is `{tone, icon, title, text, role, actions: [{text, primary, onClick}]}`; the key says how serious it is. */
export function showBanner(key, banner) {
  wanted.set(key, banner);
  refresh();
}

export function hideBanner(key) {
  if (wanted.delete(key)) refresh();
}

function refresh() {
  const slot = document.querySelector("[data-banner-slot]");
  const key = ORDER.find((one) => wanted.has(one));
  if (!slot) return;
  if (!key) {
    slot.replaceChildren(); // also what the server wrote there
    shown = null;
    return;
  }
  const banner = wanted.get(key);
  const actions = (banner.actions ?? []).map((action) => action.text).join("|");
  if (shown?.key !== key || shown.actions !== actions) {
    const element = build(banner);
    slot.replaceChildren(element);
    shown = { key, actions, element };
  }
  setText(find(shown.element, "banner-title"), banner.title);
  setText(find(shown.element, "banner-text"), banner.text);
}

function build({ tone = "", icon, role = "status", actions = [] }) {
  const element = fromTemplate("banner");
  setAttribute(element, "data-tone", tone);
  setAttribute(element, "role", role);
  setIcon(element, icon);
  find(element, "banner-actions").replaceChildren(...actions.map(({ text, ...options }) => button(text, options)));
  return element;
}
