/**
 * Times as words. All clocks are UTC; "now" is the server's, told by `connected` and by the page itself.
 */
import { duration } from "./format.js";

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
  "November", "December"];
const DAY_MS = 86_400_000;
const two = (n) => String(n).padStart(2, "0");

/** The server's time by this browser's clock. One per page; corrected each time the server tells its own. */
export class ServerClock {
  #offsetMs = 0;

  constructor(now = () => Date.now()) {
    this.local = now;
  }

  now() {
    return this.local() + this.#offsetMs;
  }

  /** `serverTime` is RFC 3339 and was true about now; anything else is ignored. */
  learn(serverTime) {
    const told = Date.parse(serverTime ?? "");
    if (Number.isFinite(told)) this.#offsetMs = told - this.local();
  }
}

/** "14:04:10" in UTC; with `ms` "14:04:10.302". Empty for what is no time. */
export function clockTime(when, { ms = false } = {}) {
  const at = new Date(when ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  return at.toISOString().slice(11, ms ? 23 : 19);
}

/** "21 November 2026, 13:58:03 UTC". */
export function fullTime(when) {
  const at = new Date(when ?? NaN);
  if (Number.isNaN(at.getTime())) return "";
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}, ${clockTime(at)} UTC`;
}

/** "just now", "34 s ago", "6 min ago", "in 10 s"; from a day on the date, "20 Nov 22:10". */
export function ago(when, nowMs) {
  const then = Date.parse(when ?? "");
  if (!Number.isFinite(then)) return "";
  const age = nowMs - then;
  if (Math.abs(age) >= DAY_MS) return date(new Date(then));
  if (age < -1_000) return `in ${largestUnit(-age)}`;
  return age < 5_000 ? "just now" : `${largestUnit(age)} ago`;
}

function largestUnit(ms) {
  if (ms < 60_000) return duration(ms);
  return ms < 3_600_000 ? `${Math.floor(ms / 60_000)} min` : `${Math.floor(ms / 3_600_000)} h`;
}

function date(at) {
  return `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()].slice(0, 3)} ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`;
}

/** How long something has been going on, in whole units; empty when the start is unknown. */
export function since(when, nowMs) {
  const then = Date.parse(when ?? "");
  return Number.isFinite(then) ? duration(nowMs - then) : "";
}
