/**
 * How true the shown state of one task is, in words. Pure: takes the connection's state, the stream's facts and the
 * server's time. "Silent" is only said over a live connection; without one the page knows no more than "as of".
 */
import { count, duration, plural } from "./format.js";
import { ago, clockTime } from "./time.js";

export const SILENT_AFTER_MS = 10_000;
/** So long a state may be shown as present without a connection: a blip shall not flicker. */
const BLIP_MS = 2_000;

/**
 * Answers `{kind, words, confirmed, asOf, shownAt}`: kind is "live", "catching", "asof", "refreshed", "silent" or "none" (final);
 * `confirmed` says whether the task's state may be shown as present; `asOf` is the time it was true at,
 * `shownAt` the moment for which durations are told: they stand still with the rest.
 */
export function freshness({ connection, stream, refresh, downMs, now }) {
  const { status } = stream.state.task;
  const asOf = clockTime(stream.heardAt);
  const [sure, unsure] = [{ confirmed: true, asOf, shownAt: now }, { confirmed: false, asOf, shownAt: stream.heardAt }];
  if (stream.isFinal) return { kind: "none", words: "", ...sure };
  if (stream.refusal) return { kind: "asof", words: `As of ${asOf}. ${stream.refusal.message}`, ...unsure };
  if (connection.name === "lost" && refresh?.isOn && stream.source === "http") {
    return { kind: "refreshed", words: refreshedWords(stream.heardAt, refresh.nextInMs, now), ...unsure };
  }
  const blip = connection.name !== "lost" && downMs < BLIP_MS;
  if (blip && !stream.isJoined) return { kind: "catching", words: "Catching up", ...sure };
  if (connection.name === "reconnecting" || connection.name === "lost") {
    return { kind: "asof", words: `As of ${asOf}`, ...unsure };
  }
  if (stream.isCatchingUp || !stream.isJoined) {
    return { kind: "catching", words: catchingWords(stream.behind), ...(blip ? sure : unsure) };
  }
  const silentMs = now - stream.heardAt;
  if (status === "running" && silentMs >= SILENT_AFTER_MS) {
    return { kind: "silent", words: `Worker silent for ${duration(silentMs)}`, ...unsure, silentMs };
  }
  return { kind: "live", words: liveWords(status, silentMs), ...sure };
}

function catchingWords(behind) {
  return behind > 0 ? `Catching up, ${plural(behind, "event")} behind` : "Catching up";
}

function liveWords(status, silentMs) {
  if (status !== "running") return "Live";
  return silentMs < 3_500 ? "Live, updated just now" : `Live, updated ${count(Math.floor(silentMs / 1000))} s ago`;
}

function refreshedWords(heardAt, nextInMs, now) {
  const next = nextInMs === null ? "" : `, next in ${duration(nextInMs)}`;
  return `Refreshed ${ago(new Date(heardAt).toISOString(), now)}${next}`;
}
