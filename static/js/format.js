/**
 * Numbers, durations and states in the words of the design.
 * One rule: nothing is rounded up to a fact. 99.97 % is "99.9 %", unknown is "–".
 */

export const UNKNOWN = "–";
const unit = (number, word) => `${number} ${word}`;
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export function isKnown(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** 6124 → "6,124". */
export function count(value) {
  return isKnown(value) ? grouped.format(value) : UNKNOWN;
}

/** 61.44 → "61.4", 100 → "100"; cut off, never rounded up, so that only 100 reads 100. */
export function percentNumber(value) {
  if (!isKnown(value)) return UNKNOWN;
  if (value >= 100) return "100";
  return (Math.floor(value * 10 + 1e-6) / 10).toFixed(1);
}

export function percent(value) {
  return isKnown(value) ? unit(percentNumber(value), "%") : UNKNOWN;
}

/** "6,124 of 8,340 files"; without a total "6,124 files so far". */
export function amount(done, total, what) {
  const word = what ? ` ${what}` : "";
  if (!isKnown(done)) return UNKNOWN;
  return isKnown(total) ? `${count(done)} of ${count(total)}${word}` : `${count(done)}${word} so far`;
}

/** Per second; one decimal below 100. */
export function rateNumber(value) {
  if (!isKnown(value)) return UNKNOWN;
  return value < 100 ? value.toFixed(1) : count(value);
}

const STEPS = [
  { limit: 60_000, build: (ms) => unit(Math.floor(ms / 1000), "s") },
  { limit: 3_600_000, build: (ms) => `${unit(Math.floor(ms / 60_000), "min")} ${unit(Math.floor((ms % 60_000) / 1000), "s")}` },
  { limit: 86_400_000, build: (ms) => `${unit(Math.floor(ms / 3_600_000), "h")} ${unit(Math.floor((ms % 3_600_000) / 60_000), "min")}` },
  { limit: Infinity, build: (ms) => `${unit(Math.floor(ms / 86_400_000), "d")} ${unit(Math.floor((ms % 86_400_000) / 3_600_000), "h")}` },
];

/** Whole units, for what is still counting: "2 min 14 s", "1 h 28 min". */
export function duration(ms) {
  if (!isKnown(ms)) return UNKNOWN;
  const span = Math.max(0, ms);
  return STEPS.find((step) => span < step.limit).build(span);
}

/** What has been measured: below a minute with one decimal, "0.4 s", "14.2 s". */
export function measured(ms) {
  if (!isKnown(ms)) return UNKNOWN;
  if (ms >= 59_950) return duration(Math.round(ms / 1000) * 1000);
  return unit((Math.max(0, ms) / 1000).toFixed(1), "s");
}

/** A guess is a range: "48 s – 1 min 10 s". Ends that read the same are said once, as "about". */
export function range(lowS, highS) {
  if (!isKnown(lowS) || !isKnown(highS)) return UNKNOWN;
  const [low, high] = [duration(lowS * 1000), duration(highS * 1000)];
  return low === high ? `about ${low}` : `${low} – ${high}`;
}

/** Spoken by a screen reader: "3 minutes 4 seconds". */
export function spokenDuration(ms) {
  if (!isKnown(ms)) return "an unknown time";
  const seconds = Math.max(0, Math.round(ms / 1000));
  const parts = [[Math.floor(seconds / 3600), "hour"], [Math.floor((seconds % 3600) / 60), "minute"], [seconds % 60, "second"]];
  const said = parts.filter(([n]) => n > 0).slice(0, 2).map(([n, word]) => plural(n, word));
  return said.length ? said.join(" ") : "less than a second";
}

/** 1 line, 2 lines, 1,412 events. */
export function plural(n, word) {
  return `${count(n)} ${word}${n === 1 ? "" : "s"}`;
}

/** "1st", "2nd", "3rd", "4th", "11th". */
export function ordinal(n) {
  const teen = n % 100 >= 11 && n % 100 <= 13;
  return `${count(n)}${teen ? "th" : ["th", "st", "nd", "rd"][n % 10] ?? "th"}`;
}

/** A scalar of a job as a person reads it. */
export function plainValue(value) {
  if (value === null || value === undefined) return UNKNOWN;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return isKnown(value) ? value.toLocaleString("en-US", { maximumFractionDigits: 2 }) : UNKNOWN;
  return String(value);
}
