/**
 * What everybody is told of the house, in words: the queue is paused, some jobs are, or there is maintenance. Pure; the
 * server's first paint says the same in pages/house.py.
 */
import { plural } from "./format.js";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The banner that leads, as `{key, icon, title, text, act}`; null when all is as always. `now` is in ms. */
export function houseBanner(status, now) {
  if (!status) return null;
  const { paused, paused_kinds: kinds = {}, maintenance } = status;
  if (paused) {
    return { key: "paused", icon: "paused", title: "The queue is paused.", act: "Resume the queue",
      text: `${who(paused, now)} Running tasks go on; what waits begins after it is resumed.` };
  }
  if (maintenance) {
    const { running } = maintenance;
    const left = running ? `${plural(running, "task")} still ${running === 1 ? "runs" : "run"}.` : "Nothing runs any more: ready for the restart.";
    return { key: "maintenance", icon: "asof", title: "Maintenance.", act: "End maintenance",
      text: `${who(maintenance, now)} No new tasks are taken. ${left}` };
  }
  return kindsBanner(Object.values(kinds), now);
}

function kindsBanner(holds, now) {
  if (!holds.length) return null;
  const titles = holds.map(({ title }) => title).join(", ");
  const isOne = holds.length === 1;
  return { key: "kinds", icon: "paused", title: isOne ? `${titles} is paused.` : `${holds.length} kinds of jobs are paused.`,
    act: "Queue and workers", text: `${isOne ? who(holds[0], now) : `${titles}.`} Other jobs go on.` };
}

function who({ by, since, reason }, now) {
  const at = new Date(since);
  const isToday = at.toISOString().slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  const day = isToday ? "" : `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} `;
  return `${by}, since ${day}${at.toISOString().slice(11, 16)} UTC${reason ? `: “${reason}”` : ""}.`;
}

/** What keeps a waiting task of this kind from beginning: "maintenance", "queue", "kind" or null. */
export function heldBy(status, kind) {
  if (status?.maintenance) return "maintenance";
  if (status?.paused) return "queue";
  return status?.paused_kinds && kind in status.paused_kinds ? "kind" : null;
}
