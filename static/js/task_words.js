/**
 * Which changes of a task are worth saying aloud, and in which words. Pure: compares two states of the task.
 * Answers a list of `{region, topic, text}`.
 */
import { duration, isKnown, percentNumber, plural, spokenDuration } from "./format.js";
import { currentPhase, nextAttempt } from "./task_view.js";
import { isFinal } from "./task_reducer.js";

export const PERCENT_STEP = 10;

export function wordsFor(before, after, { title, sinceLastPercentMs = Infinity, now }) {
  if (isFinal(after.status)) return isFinal(before.status) ? [] : [finalWords(after, title)];
  const said = [];
  if (after.phase && after.phase !== before.phase) said.push(phaseWords(after));
  else if (crossesStep(before, after) && sinceLastPercentMs >= 10_000) said.push(percentWords(after));
  if (after.cancel_requested && !before.cancel_requested) said.push(polite("cancel", "Cancel asked for."));
  if (after.retry_at && after.retry_at !== before.retry_at) said.push(retryWords(after, now));
  return said.filter(Boolean);
}

const polite = (topic, text) => ({ region: "polite", topic, text });

function phaseWords(task) {
  const phase = currentPhase(task);
  return phase && polite("progress", `Phase ${task.phases.indexOf(phase) + 1} of ${task.phases.length}, ${phase.title}.`);
}

function crossesStep(before, after) {
  if (!isKnown(before.progress_percent) || !isKnown(after.progress_percent)) return false;
  return Math.floor(after.progress_percent / PERCENT_STEP) > Math.floor(before.progress_percent / PERCENT_STEP);
}

function percentWords(task) {
  const reached = Math.floor(task.progress_percent / PERCENT_STEP) * PERCENT_STEP;
  const left = isKnown(task.eta_s) ? `, about ${spokenDuration(task.eta_s * 1000)} left` : "";
  return polite("progress", `${reached} percent${left}.`);
}

function retryWords(task, now) {
  const seconds = Math.max(0, Math.round((Date.parse(task.retry_at) - now) / 1000));
  return polite("retry", `Attempt ${nextAttempt(task)} of ${task.max_attempts} starts in ${plural(seconds, "second")}.`);
}

function finalWords(task, title) {
  if (task.status === "cancelled") {
    const at = isKnown(task.progress_percent) ? ` at ${percentNumber(task.progress_percent)} percent` : "";
    return polite("final", `Cancelled${at}.`);
  }
  const text = task.status === "failed"
    ? `${title} failed: ${task.error ?? "no reason was given"}`.replace(/\.?$/, ".")
    : `${title} completed in ${spokenDuration(task.duration_ms)}.`;
  return { region: "assertive", topic: "final", text };
}

export const silentWords = (silentMs) => `Worker silent for ${duration(silentMs).replace(/\u00a0s$/, " seconds")}.`;
