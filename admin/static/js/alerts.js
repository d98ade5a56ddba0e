/**
 * Alerts while somebody looks: rows that are shown change in place, new ones wait behind a link whose place is kept, and
 * the page of one alert brings its parts in again. Fed by the dashboard room alone.
 */
import { find, findAll, setAttribute, setHidden, setIcon, setText } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";
import { announcer } from "/static/js/page_announcer.js";
import { swapRegions } from "/static/js/swap.js";
import { showToast } from "/static/js/toasts.js";

const SOON_MS = 300;
const LOOKS = { info: ["info", "quiet"], warning: ["silent", "warn"], high: ["high", "fail"], critical: ["critical", "fail"] };
const LISTS = ["open-alerts", "alert-count", "alert-rows"];
const PARTS = ["alert", "alert-acts", "alert-story"];
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);
const page = document.querySelector("[data-alert-page]");
const newer = new Map();
const unstored = new Map();
let waits = false;

function bringSoon(regions) {
  if (waits) return;
  waits = true;
  live.timers.set(async () => {
    waits = false;
    await swapRegions(regions).catch(() => {}); // the next change tries again
  }, SOON_MS);
}

function showRow(row, alert) {
  const [icon, ink] = LOOKS[alert.severity] ?? LOOKS.info;
  const severity = find(row, "alert-severity");
  setAttribute(row, "data-state", alert.state);
  setAttribute(severity, "class", `severity ink-${ink}`);
  setIcon(severity, icon);
  setText(find(severity, "alert-word"), capital(alert.severity));
  setText(find(row, "alert-title"), alert.title);
  setText(find(row, "alert-text"), alert.text);
  setText(find(row, "alert-count"), alert.count.toLocaleString("en"));
  setText(find(row, "alert-seen"), alert.count > 1 ? `, seen ${alert.count.toLocaleString("en")} times` : "");
  const form = find(row, "alert-form");
  setHidden(form, alert.state !== "active");
  if (form) setHidden(find(row, "alert-standing"), alert.state === "active");
  setText(find(row, "alert-standing"), capital(alert.state));
}

function showNewer(alert) {
  const link = document.querySelector("[data-alerts-newer]");
  if (alert.state === "resolved") newer.delete(alert.id);
  else newer.set(alert.id, alert);
  const words = newer.size === 1 ? `New: ${[...newer.values()][0].title}` : `${newer.size} newer alerts, show them`;
  setText(link, words);
  setHidden(link, newer.size === 0);
}

/** Without an id it could not be stored: nothing but this tells of it until the database is back. */
function showUnstored({ type, title, text }) {
  unstored.get(type)?.remove();
  unstored.set(type, showToast({ tone: "fail", role: "alert", icon: "critical", title, text }));
}

function told({ alert }) {
  if (alert.id === null) return showUnstored(alert);
  unstored.get(alert.type)?.remove();
  const rows = findAll(document, "alert").filter((row) => row.dataset.alert === String(alert.id));
  for (const row of rows) showRow(row, alert);
  if (page && page.dataset.alertPage === String(alert.id)) bringSoon(PARTS);
  else if (!rows.length) {
    if (alert.state === "active") announcer.polite.say(`New alert, ${alert.severity}: ${alert.title}.`, `alert ${alert.id}`);
    showNewer(alert);
  }
  countOpen();
}

/** As the server words it, from the rows that are shown and what waits. */
function countOpen() {
  const list = document.querySelector("[data-alerts]");
  if (!list) return;
  const states = findAll(list, "alert").map((row) => row.dataset.state).concat([...newer.values()].map(({ state }) => state));
  const [open, active] = [states.filter((state) => state !== "resolved").length, states.filter((state) => state === "active").length];
  setText(document.querySelector("[data-open-alerts]"), String(open || ""));
  const words = open && active ? `${open} open, ${active} not acknowledged` : `${open} open`;
  setText(document.querySelector("[data-open-words]"), open ? words : "None is open.");
}

async function bringNewer(event) {
  if (!event.target.closest("[data-alerts-newer]")) return;
  event.preventDefault();
  document.activeElement?.blur();
  await swapRegions(LISTS);
  newer.clear();
  setHidden(document.querySelector("[data-alerts-newer]"), true);
  countOpen();
}

if (live) {
  live.connection.on("admin_alert", told);
  document.addEventListener("click", bringNewer);
  live.connection.on("live_status", (status) => status.live && bringSoon(page ? PARTS : LISTS)); // nobody could be told
  let wasLive = true;
  live.connection.onState(({ name }) => {
    if (name === "live" && !wasLive) bringSoon(page ? PARTS : LISTS);
    wasLive = name === "live";
  });
  if (document.querySelector("[data-joins]")) live.connection.onOpen(() => live.connection.request("join_admin_dashboard").catch(() => {}));
}
