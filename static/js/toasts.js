/**
 * Toasts: at most three, then "2 more in the inbox". Success goes after six seconds in sight unless it is pointed at or
 * focused; failure stays. Never the only place of a fact.
 */
import { find, fromTemplate, setAttribute, setIcon, setText } from "./hooks.js";

const STAY_MS = 6_000;
export const AT_MOST = 3;
let leftOut = 0;

/** Returns the toast, or null where it was left out. `onClose` hears that the reader closed it, or opened its link. */
export function showToast({ tone, role, icon, title, text, links = [], stays = tone === "fail", onClose = () => {} }) {
  const shelf = document.querySelector("[data-toasts]");
  if (!shelf) return null;
  if (toastCount() >= AT_MOST) {
    leaveOut();
    return null;
  }
  const toast = fromTemplate("toast");
  setAttribute(toast, "data-tone", tone);
  setAttribute(toast, "role", role);
  setIcon(toast, icon);
  setText(find(toast, "toast-title"), title);
  setText(find(toast, "toast-text"), text);
  const shown = links.filter(({ href }) => href && href !== location.pathname).map(link);
  for (const each of shown) each.addEventListener("click", onClose);
  find(toast, "toast-links").replaceChildren(...shown);
  find(toast, "toast-close").addEventListener("click", () => {
    removeToast(toast);
    onClose();
  });
  shelf.insertBefore(toast, find(shelf, "toasts-more"));
  if (!stays) removeWhenSeen(toast);
  return toast;
}

export function removeToast(toast) {
  toast.remove();
  forgetLeftOut();
}

export const toastCount = () => document.querySelectorAll("[data-toasts] [data-toast]").length;

/** One more that is not shown; the line goes with the last toast. */
export function leaveOut() {
  const shelf = document.querySelector("[data-toasts]");
  leftOut += 1;
  let more = find(shelf, "toasts-more");
  if (!more) {
    more = link({ href: "/notifications" });
    more.dataset.toastsMore = "";
    more.className = "toasts-more tiny";
    shelf.append(more);
  }
  setText(more, `${leftOut} more in the inbox`);
  setTimeout(forgetLeftOut, STAY_MS);
}

function forgetLeftOut() {
  if (toastCount()) return;
  leftOut = 0;
  document.querySelector("[data-toasts]").replaceChildren();
}

function link({ text, href }) {
  const element = document.createElement("a");
  element.href = href;
  element.textContent = text;
  return element;
}

/** In a hidden tab nobody has seen it yet: its time begins when the tab is shown. */
function removeWhenSeen(toast) {
  const check = () => (toast.matches(":hover, :focus-within") ? setTimeout(check, 1_000) : removeToast(toast));
  const begin = () => {
    if (document.hidden) return;
    document.removeEventListener("visibilitychange", begin);
    setTimeout(check, STAY_MS);
  };
  document.addEventListener("visibilitychange", begin);
  begin();
}
