/**
 * What this person is told while they are here: one toast over all tabs and devices, one browser notification where the
 * tab that won is hidden, and neither for a task that they are looking at: that notification is read at once.
 */
import { mayNotify } from "./browser_notices.js";
import { claimOnce, isWatched, watchesHere, watchTask } from "./claims.js";
import { live } from "./live.js";
import { iconOf, toneOf } from "./notices.js";
import { concerns } from "./notifications.js";
import { AT_MOST, leaveOut, removeToast, showToast, toastCount } from "./toasts.js";

const ENDS = new Set(["finished", "failed", "cancelled", "needs_review"]);
let asking = 0;

export function tellArrivals(inbox) {
  const toasts = new Map();
  const read = (id) => inbox.mark({ ids: [id] }).catch(() => {}); // it stays unread: no harm
  inbox.onArrival(async (notice) => {
    if (notice.read_at) return;
    if (ENDS.has(notice.type) && watchesHere(notice.task_id)) return read(notice.id);
    if (await mayShow(notice)) show(notice);
  });
  inbox.onChange((change) => {
    for (const [id, toast] of change?.read ? toasts : []) {
      if (!concerns(change, id) || toast.matches(":hover, :focus-within")) continue;
      toasts.delete(id);
      removeToast(toast);
    }
  });

  function show(notice) {
    if (document.querySelector("[data-bell-panel]")) return; // it says so itself
    const { id, title, text, href } = notice;
    const tone = toneOf(notice);
    const toast = showToast({ tone, role: tone === "fail" ? "alert" : "status", icon: iconOf(notice), title, text,
      links: [{ text: "Open", href }], onClose: () => read(id) });
    if (toast) toasts.set(id, toast);
    if (document.hidden && mayNotify()) notifyOutside(notice);
  }
}

async function mayShow({ id, created_at: createdAt, task_id: taskId, type }) {
  if (ENDS.has(type) && (await isWatched(taskId))) return false;
  if (!(await claimOnce(`${live.user}:notice:${id}:${createdAt}`))) return false;
  if (toastCount() + asking >= AT_MOST) {
    leaveOut(); // a hundred ends at once are a hundred rows in the inbox, not a hundred questions
    return false;
  }
  asking += 1;
  try {
    return (await live.connection.request("claim_notification", { id })).show;
  } catch {
    return true; // no answer: better told twice than not at all
  } finally {
    asking -= 1;
  }
}

/** The task of this page counts as seen while the tab is visible, and what was told of it before is read. */
export function seeTaskPage(inbox) {
  const root = document.querySelector('[data-page="task"]');
  if (!root) return;
  watchTask(root.dataset.task);
  const unread = (root.dataset.unreadIds ?? "").split(" ").filter(Boolean).map(Number);
  const see = () => {
    if (document.hidden || !unread.length) return;
    document.removeEventListener("visibilitychange", see);
    inbox.mark({ ids: unread }).catch(() => {});
  };
  document.addEventListener("visibilitychange", see);
  see();
}

function notifyOutside({ id, title, text, href }) {
  let outside;
  try {
    outside = new Notification(title, { body: text, tag: `taskroom-${id}` });
  } catch {
    return; // some phones allow this to installed apps only
  }
  outside.addEventListener("click", () => {
    window.focus();
    if (href && location.pathname !== href) location.assign(href);
  });
}
