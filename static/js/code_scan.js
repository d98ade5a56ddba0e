/** The nodes of a code scan: the list follows the search while one types; a chosen node opens beside it, without a jump. */
import { setAttribute } from "./hooks.js";
import { realTimers } from "./timers.js";
import { swapRegions } from "./swap.js";

const QUIET_MS = 200;
const page = document.querySelector('[data-page-part="nodes"]');
let newest = 0;

/** Shows the list at this address; only the newest request counts. */
async function show(url) {
  const mine = ++newest;
  const region = page.querySelector('[data-swap="nodes"]');
  setAttribute(region, "aria-busy", "true");
  try {
    await swapRegions(["nodes"], url);
    if (mine === newest) history.replaceState(null, "", url);
  } catch {
    if (mine === newest) location.assign(url);
  }
}

function searchAsTyped(form) {
  const input = form.querySelector("[data-node-query]");
  let timer = null;
  const go = () => {
    const asked = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    show(`${form.getAttribute("action")}?${asked}`);
  };
  input.addEventListener("input", () => {
    realTimers.clear(timer);
    timer = realTimers.set(go, QUIET_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    realTimers.clear(timer);
    go();
  });
}

function openBeside() {
  page.addEventListener("click", async (event) => {
    const link = event.target.closest("[data-node-link]");
    if (!link || event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    const href = link.getAttribute("href");
    link.blur();
    await show(href.replace(/#.*/, ""));
    page.querySelector(`[data-node-link][href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  });
}

if (page) {
  searchAsTyped(page.querySelector("[data-node-search]"));
  openBeside();
}
