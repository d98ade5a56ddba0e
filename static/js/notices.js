/** How a notification looks: its icon, its tone, and a row of it. pages/notifications.py has the same icons and tones. */
import { find, fromTemplate, setAttribute, setIcon, setText } from "./hooks.js";
import { ago, fullTime } from "./time.js";

const ICONS = { finished: "completed", failed: "failed", cancelled: "cancelled", needs_review: "image", alert: "silent", test: "bell" };
const TONES = { success: "ok", warning: "warn", error: "fail" };

export const iconOf = ({ type }) => ICONS[type] ?? "info";
export const toneOf = ({ level }) => TONES[level] ?? "";

/** A row for the bell's panel; its link leads nowhere where the notification has no page. */
export function noticeRow(notice, now) {
  const row = fromTemplate("notice");
  const tone = toneOf(notice);
  row.dataset.notice = notice.id;
  find(row, "notice-tone").className = tone ? `line ink-${tone}` : "line";
  setIcon(row, iconOf(notice));
  const link = find(row, "notice-link");
  setText(link, notice.title);
  setAttribute(link, "href", notice.href);
  setText(find(row, "notice-text"), notice.text);
  const time = find(row, "when");
  time.dateTime = notice.created_at;
  time.title = fullTime(notice.created_at);
  setText(time, ago(notice.created_at, now));
  paintRead(row, Boolean(notice.read_at));
  return row;
}

export function paintRead(row, isRead) {
  setAttribute(row, "data-unread", isRead ? null : "");
  setText(find(row, "notice-state"), isRead ? "" : ", unread");
}
