/**
 * The tab: "61 % · Scan of …", "Done · …", "Failed · …", and an icon that fills; on every other page "(4)" for what is
 * unread. Works in a hidden tab, too; the icon is drawn here, so that showing progress asks the server for nothing.
 */
import { isKnown } from "./format.js";

const WORDS = { completed: "Done", failed: "Failed", cancelled: "Cancelled", queued: "Queued" };
const GROUND = '<rect width="32" height="32" rx="7" fill="#121717"/>';
const STROKE = 'fill="none" stroke-width="4" stroke-linecap="round" stroke-linejoin="round"';
const END_MARKS = {
  completed: `<path d="m8 16.500 5.500 5.500L24.500 10.500" stroke="#6fcf8f" ${STROKE}/>`,
  failed: `<path d="m10 10 12 12m0-12-12 12" stroke="#ff968d" ${STROKE}/>`,
};
let usual = null;

export function titleFor(task, title) {
  const running = isKnown(task.progress_percent) ? `${Math.floor(task.progress_percent)} %` : "Running";
  return `${WORDS[task.status] ?? running} · ${title} · Taskroom`;
}

/** The icon as an address: a bar in steps of ten, a tick, a cross; null where the usual icon says all there is. */
export function faviconFor(task) {
  const mark = END_MARKS[task.status] ?? (task.status === "running" && isKnown(task.progress_percent) ? barMark(task.progress_percent) : null);
  if (!mark) return null;
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${GROUND}${mark}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}

function barMark(percent) {
  const width = Math.max(3, Math.floor(percent / 10) * 2);
  const bar = (length, colour) => `<rect x="6" y="12" width="${length}" height="8" rx="${Math.min(3, length / 2)}" fill="${colour}"/>`;
  return bar(20, "#465151") + bar(width, "#83b4ff");
}

export function paintTab(task, title) {
  const words = titleFor(task, title);
  if (document.title !== words) document.title = words;
  const icon = document.querySelector("[data-favicon]");
  if (!icon) return;
  usual ??= icon.href;
  const href = faviconFor(task) ?? usual;
  if (icon.href !== href) icon.href = href;
}

/** A task's page says how its task is; every other one how much this person has not read. */
export function paintUnread(count) {
  if (document.querySelector('[data-page="task"]')) return;
  const words = `${count ? `(${count}) ` : ""}${document.title.replace(/^\(\d+\) /, "")}`;
  if (document.title !== words) document.title = words;
}
