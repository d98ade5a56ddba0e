/** The form that starts a job: chips, the terminal beside it kept in step, unsent values kept, and no second start. */
import { changedCount, saidValues } from "./form_values.js";
import { find, findAll, revealScripted, setAttribute, setHidden, setText } from "./hooks.js";
import { terminalWords } from "./terminal_words.js";
import { TokensField } from "./tokens_field.js";
import { keepUnsent } from "./unsent_values.js";

function terminalPanel(form, panel) {
  if (!panel) return () => {};
  const show = (key) => {
    for (const tab of findAll(panel, "term-tab")) setAttribute(tab, "aria-pressed", tab.dataset.termTab === key);
    for (const block of findAll(panel, "term")) setHidden(block, block.dataset.term !== key);
  };
  for (const tab of findAll(panel, "term-tab")) tab.addEventListener("click", () => show(tab.dataset.termTab));
  revealScripted(panel);
  show("cli");
  return () => {
    const words = terminalWords(form.dataset.kind, saidValues(form), panel.dataset.termBase);
    for (const block of findAll(panel, "term")) setText(block, words[block.dataset.term]);
  };
}

function foldCount(form) {
  const words = find(form, "fold-count");
  const fields = findAll(form, "fold").flatMap((fold) => findAll(fold, "default"));
  if (!words || !fields.length) return () => {};
  return () => {
    const changed = changedCount(fields);
    const same = fields.length > 1 ? `${fields.length}, all at their defaults` : "1, at its default";
    setText(words, changed ? `${fields.length}, ${changed} changed` : same);
  };
}

/** The server answers a repeat with the first task; the reader need not see it happen. */
function sendOnce(form) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
    setAttribute(find(form, "submit"), "aria-disabled", "true");
  });
  window.addEventListener("pageshow", () => {
    delete form.dataset.sent;
    setAttribute(find(form, "submit"), "aria-disabled", null);
  });
}

const form = document.querySelector("[data-start-form]");
if (form) {
  const fields = findAll(form, "tokens").map((wrapper) => new TokensField(wrapper));
  keepUnsent(form, { isRefused: find(form, "error-summary") !== null, fields });
  const updates = [terminalPanel(form, document.querySelector("[data-term-panel]")), foldCount(form)];
  const update = () => updates.forEach((one) => one());
  form.addEventListener("input", update);
  form.addEventListener("change", update);
  sendOnce(form);
  update();
}
