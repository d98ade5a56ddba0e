/** Copies text and says so on the button for a moment; works on plain HTTP, too. */
import { setText } from "./hooks.js";

const SAID_FOR_MS = 2_000;

export async function copyText(text, button) {
  const done = await write(text);
  const label = button.querySelector("[data-copy-label]") ?? (button.childElementCount ? null : button);
  if (!label) return;
  const before = label.textContent;
  setText(label, done ? "Copied" : "Not copied: the browser refused");
  setTimeout(() => setText(label, before), SAID_FOR_MS);
}

async function write(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text).then(() => true, () => false);
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy"); // the one way where the page is not served over HTTPS
  area.remove();
  return done;
}
