/**
 * Brings newer server-rendered parts of this same page in: regions `data-swap=NAME` are replaced by those of the same
 * name. A region with focus, an open dialog or a selection in it waits until the reader has left it.
 */
import { findAll } from "./hooks.js";
import { getDocument } from "./http.js";

const RETRY_MS = [1_000, 2_000, 4_000, 8_000, 15_000];

/** Resolves when the regions are in place. Tries again for half a minute, then rejects. */
export async function swapRegions(names, url = location.href) {
  const page = await fetchPage(url.replace(/#.*/, ""));
  for (const name of names) {
    const next = page.querySelector(`[data-swap="${name}"]`);
    const current = document.querySelector(`[data-swap="${name}"]`);
    if (!next || !current) continue;
    await untilLeft(current);
    for (const script of next.querySelectorAll("script")) script.remove();
    const fresh = document.importNode(next, true);
    for (const button of findAll(fresh, "copy")) button.hidden = false;
    current.replaceWith(fresh);
  }
  return page;
}

/** While somebody reads in `element`, further down or with the keyboard, what `change` puts above must not push it away. */
export async function keepInPlace(element, change) {
  const isRead = element && (element.matches(":focus-within") || (window.scrollY > 0 && element.matches(":hover")));
  if (!isRead) return change();
  const page = document.scrollingElement;
  page.style.overflowAnchor = "none"; // two corrections of one move would be one too many
  let top = element.getBoundingClientRect().top;
  const moved = () => (top = element.getBoundingClientRect().top);
  const observer = new MutationObserver(() => window.scrollBy({ top: element.getBoundingClientRect().top - top, behavior: "instant" }));
  window.addEventListener("scroll", moved, { passive: true });
  observer.observe(document.querySelector("main"), { childList: true, subtree: true });
  await change();
  observer.disconnect();
  window.removeEventListener("scroll", moved);
  page.style.overflowAnchor = "";
}

async function fetchPage(url) {
  for (const wait of RETRY_MS) {
    try {
      return await getDocument(url);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return getDocument(url);
}

function isInUse(region) {
  const selection = document.getSelection();
  const isSelected = selection && !selection.isCollapsed && selection.containsNode(region, true);
  return isSelected || region.contains(document.activeElement) || document.querySelector("dialog[open]")?.closest("[data-swap]") === region;
}

function untilLeft(region) {
  if (!isInUse(region)) return Promise.resolve();
  return new Promise((resolve) => {
    const check = () => {
      if (isInUse(region)) return;
      for (const event of ["focusout", "selectionchange", "close"]) document.removeEventListener(event, later, true);
      resolve();
    };
    const later = () => setTimeout(check);
    for (const event of ["focusout", "selectionchange", "close"]) document.addEventListener(event, later, true);
  });
}
