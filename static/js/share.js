/**
 * Sharing in a dialog on the task's page: shows the region of the page that does it without scripts, and sends its forms
 * in place.
 */
import { findAll, setText } from "./hooks.js";
import { getDocument, sendForm } from "./http.js";

export class ShareDialog {
  constructor(dialog) {
    this.dialog = dialog;
    document.addEventListener("click", (event) => {
      const opener = event.target.closest?.('[data-action="share"]');
      if (opener) this.#show(() => getDocument(opener.href));
    });
    dialog.addEventListener("submit", (event) => {
      if (!event.target.matches("[data-share-form]")) return;
      event.preventDefault();
      this.#show(() => sendForm(event.target));
    });
  }

  async #show(load) {
    const region = this.dialog.querySelector('[data-swap="share"]');
    region.setAttribute("aria-busy", "true");
    try {
      const page = await load();
      const fresh = document.importNode(page.querySelector('[data-swap="share"]'), true);
      for (const button of findAll(fresh, "needs-js")) button.hidden = false;
      region.replaceWith(fresh);
      const link = fresh.querySelector('[data-copy-source="share-link"]');
      link?.focus();
      link?.select();
    } catch (error) {
      region.removeAttribute("aria-busy");
      if (region.childElementCount === 0) setText(region, error.message);
    }
  }
}
