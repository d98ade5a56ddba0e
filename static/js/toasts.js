/**
 * One toast per final state and person, whatever number of tabs is open; success goes after six seconds unless it is
 * pointed at or focused, failure stays. Never the only place of a fact.
 */
import { claimOnce } from "./claims.js";
import { measured } from "./format.js";
import { find, fromTemplate, setAttribute, setIcon, setText } from "./hooks.js";

const STAY_MS = 6_000;
const AT_MOST = 3;
const LOOK = {
  completed: { tone: "ok", role: "status", says: (title) => `${title} is done` },
  failed: { tone: "fail", role: "alert", says: (title) => `${title} failed` },
  cancelled: { tone: "", role: "status", says: (title) => `${title} was cancelled` },
};
let leftOut = 0;

/** `final` is `{user, taskId, status, title, text, durationMs}`. */
export async function toastFinal({ user, taskId, status, title, text, durationMs }) {
  if (!LOOK[status] || !(await claimOnce(`${user}:${taskId}:${status}`))) return;
  const words = text || (durationMs ? `Took ${measured(durationMs)}.` : "");
  const href = `/tasks/${encodeURIComponent(taskId)}`;
  showToast({ ...LOOK[status], icon: status, title: LOOK[status].says(title), text: words, links: [{ text: "Open", href }] });
  notify(LOOK[status].says(title), words, href);
}

export function showToast({ tone, role, icon, title, text, links = [], stays = tone === "fail" }) {
  const shelf = document.querySelector("[data-toasts]");
  if (!shelf) return;
  if (shelf.children.length >= AT_MOST) return tellLeftOut(shelf);
  const toast = fromTemplate("toast");
  setAttribute(toast, "data-tone", tone);
  setAttribute(toast, "role", role);
  setIcon(toast, icon);
  setText(find(toast, "toast-title"), title);
  setText(find(toast, "toast-text"), text);
  find(toast, "toast-links").replaceChildren(...links.filter(({ href }) => href !== location.pathname).map(link));
  find(toast, "toast-close").addEventListener("click", () => toast.remove());
  shelf.append(toast);
  if (!stays) removeWhenLeftAlone(toast);
}

function link({ text, href }) {
  const element = document.createElement("a");
  element.href = href;
  element.textContent = text;
  return element;
}

function removeWhenLeftAlone(toast) {
  const check = () => (toast.matches(":hover, :focus-within") ? setTimeout(check, 1_000) : toast.remove());
  setTimeout(check, STAY_MS);
}

function tellLeftOut(shelf) {
  leftOut += 1;
  setText(find(shelf.lastElementChild, "toast-text"), `${leftOut} more in the list of tasks.`);
}

function notify(title, body, href) {
  if (!document.hidden || globalThis.Notification?.permission !== "granted") return;
  const notification = new Notification(title, { body, tag: href });
  notification.addEventListener("click", () => {
    window.focus();
    if (location.pathname !== href) location.assign(href);
  });
}
