/**
 * Lists that follow their search while one types, and rows that open in place: below `data-in-place="NAME NAME"`, the
 * regions `data-swap=NAME` are brought in again for a link `data-in-place-link` or a form `data-in-place-search`.
 */
import { setAttribute } from "./hooks.js";
import { swapRegions } from "./swap.js";
import { realTimers } from "./timers.js";

const QUIET_MS = 200;

class InPlace {
  #newest = 0;
  #timer = null;

  constructor(root) {
    this.root = root;
    this.regions = root.dataset.inPlace.split(" ");
    root.addEventListener("click", (event) => this.#clicked(event));
    root.addEventListener("input", (event) => this.#typed(event.target.closest("[data-in-place-search]")));
    root.addEventListener("submit", (event) => this.#sent(event));
  }

  /** Shows the list at this address; only the newest request counts. */
  async #show(url) {
    const mine = ++this.#newest;
    for (const name of this.regions) setAttribute(this.root.querySelector(`[data-swap="${name}"]`), "aria-busy", "true");
    try {
      await swapRegions(this.regions, url);
      if (mine === this.#newest) history.replaceState(null, "", url);
    } catch {
      if (mine === this.#newest) location.assign(url);
    }
  }

  async #clicked(event) {
    const link = event.target.closest("[data-in-place-link]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const key = link.dataset.inPlaceLink;
    link.blur();
    await this.#show(link.getAttribute("href").replace(/#.*/, ""));
    this.root.querySelector(`[data-in-place-link="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
  }

  #typed(form) {
    if (!form) return;
    realTimers.clear(this.#timer);
    this.#timer = realTimers.set(() => this.#search(form), QUIET_MS);
  }

  #sent(event) {
    const form = event.target.closest("[data-in-place-search]");
    if (!form) return;
    event.preventDefault();
    realTimers.clear(this.#timer);
    this.#search(form);
  }

  #search(form) {
    const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    this.#show(`${form.getAttribute("action")}?${asked}`);
  }
}

for (const root of document.querySelectorAll("[data-in-place]")) new InPlace(root);
