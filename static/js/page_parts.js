/** The small behaviours of every page: menus, dialogs, copy buttons, relative times, theme. Each works without scripts, too. */
import { copyText } from "./clipboard.js";
import { findAll, setAttribute, setHidden, setText } from "./hooks.js";
import { ago } from "./time.js";

export function closableMenus() {
  const close = (except) => {
    for (const menu of document.querySelectorAll("details[data-menu][open]")) if (!menu.contains(except)) menu.open = false;
  };
  document.addEventListener("click", (event) => close(event.target));
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details[data-menu][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}

export function dialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest?.("[data-open-dialog]");
    const dialog = opener && document.getElementById(opener.dataset.openDialog);
    if (dialog?.showModal) {
      event.preventDefault();
      dialog.showModal();
    }
    event.target.closest?.("[data-close-dialog]")?.closest("dialog")?.close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== " " || event.target.localName !== "a" || event.target.getAttribute("role") !== "button") return;
    event.preventDefault();
    event.target.click();
  });
}

export function copyButtons() {
  for (const button of findAll(document, "copy")) setHidden(button, false);
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const source = document.querySelector(`[data-copy-source="${CSS.escape(button.dataset.copy)}"]`);
    copyText(button.dataset.copyText ?? source?.value ?? source?.textContent ?? "", button);
  });
}

export function relativeTimes(now, timers) {
  timers.every(() => {
    if (document.hidden) return;
    for (const time of findAll(document, "when")) setText(time, ago(time.dateTime, now()));
  }, 10_000);
}

/** The chosen theme at once; the form's own POST keeps it. */
export function themeForms() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-theme-form]");
    if (!form || event.submitter?.name !== "theme") return;
    event.preventDefault();
    const chosen = event.submitter.value;
    setAttribute(document.documentElement, "data-theme", chosen === "auto" ? null : chosen);
    for (const button of form.querySelectorAll("[name=theme]")) setAttribute(button, "aria-pressed", button.value === chosen);
    const body = new FormData(form);
    body.set("theme", chosen);
    await fetch(form.action, { method: "POST", body, credentials: "same-origin" });
  });
}
