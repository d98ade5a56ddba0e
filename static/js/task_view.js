/**
 * What a task looks like, as words and attributes: pure. The painter writes this into a page or a row; the server's
 * first paint says the same in pages/view.py.
 */
import { amount, count, duration, isKnown, measured, ordinal, percent, percentNumber, plural, range, rateNumber, UNKNOWN } from "./format.js";
import { ago, clockTime, since } from "./time.js";
import { heldBy } from "./house_words.js";
import { isFinal } from "./task_reducer.js";

const WORDS = { queued: "Queued", running: "Running", completed: "Completed", failed: "Failed", cancelled: "Cancelled" };
const PHASE_ICON = { pending: "unsure", done: "completed" };
const PHASE_WORD = { pending: "not started", running: "running", done: "done", failed: "failed", cancelled: "cancelled" };
const FINAL_MODE = { completed: "completed", failed: "failed", cancelled: "halted" };

/** `fresh` is what freshness() answers; `now` is the server's time in ms. */
export function describe(task, fresh, now) {
  const [state, shown] = [stateOf(task), shownPercent(task)];
  return {
    status: task.status,
    badge: badge(task, state, fresh, now),
    fresh: fresh.kind === "none" ? null : { state: fresh.kind, words: fresh.words },
    bar: bar(task, shown, barMode(task, state, fresh)),
    percent: { value: percentNumber(shown), unit: isKnown(shown) ? "%" : "", whole: percent(shown) },
    ...phaseWords(task),
    step: task.current_step ?? "",
    ...numbers(task),
    ...ends(task, state, fresh, now),
    sentence: sentence(task, state, fresh, now),
    elapsed: elapsedSince(task),
    stats: Object.entries(task.details ?? {}),
    phases: (task.phases ?? []).map((phase, index, all) => phaseView(phase, all, task, fresh, now)),
    attempt: `${Math.max(task.attempt ?? 0, 1)} of ${task.max_attempts ?? 1}`,
    worker: task.worker ?? "",
    canCancel: !isFinal(task.status) && !task.cancel_requested,
  };
}

/** One of the badge's states, by what the task says of itself. */
export function stateOf(task) {
  if (isFinal(task.status)) return task.status;
  if (task.status === "queued" && task.retry_at) return "retrying";
  return task.cancel_requested ? "cancelling" : task.status ?? "unsure";
}

/** The percentage that is true: 100 only for completed, unknown for a queued first attempt or an unknown total. */
export function shownPercent(task) {
  if (task.status === "completed") return 100;
  if (task.status === "queued" && !task.retry_at) return null;
  return isKnown(task.progress_percent) ? Math.min(task.progress_percent, 99.9) : null;
}

function badge(task, state, fresh, now) {
  if (!fresh.confirmed && !isFinal(task.status)) {
    return { state: "unsure", word: `Was ${task.status} at ${fresh.asOf ?? clockTime(now)}` };
  }
  if (state === "cancelling") return { state, word: "Cancelling" };
  if (state === "retrying") return { state, word: retryWord(Date.parse(task.retry_at) - now) };
  return { state, word: WORDS[state] ?? "Unknown" };
}

const retryWord = (waitMs) => (waitMs >= 1000 ? `Retry in ${duration(waitMs)}` : "Retry now");

function barMode(task, state, fresh) {
  if (isFinal(task.status)) return FINAL_MODE[task.status];
  if (fresh.kind === "silent" || state === "retrying") return "halted";
  if (!fresh.confirmed) return "stale";
  if (state === "cancelling") return "cancelling";
  if (task.status === "queued") return "waiting";
  if (task.stalled_since) return "halted";
  return isKnown(task.progress_percent) ? "moving" : "unknown";
}

function bar(task, shown, mode) {
  return { mode, value: shown === null ? null : tenths(shown), width: `${shown ?? 0}%`, text: barText(task, shown) };
}

const tenths = (value) => Math.floor(value * 10 + 1e-6) / 10;

function barText(task, shown) {
  if (shown === null) return task.status === "queued" ? "Queued" : "Total not known yet";
  const phase = currentPhase(task);
  const counted = task.status === "running" && isKnown(task.done) && amount(task.done, task.total, task.unit);
  return [`${percentNumber(shown)} percent`, phase && `phase ${phase.title}`, counted].filter(Boolean).join(", ");
}

export function currentPhase(task) {
  return (task.phases ?? []).find((phase) => phase.name === task.phase) ?? null;
}

function phaseWords(task) {
  const [phases, phase] = [task.phases ?? [], currentPhase(task)];
  const counted = isKnown(task.done) ? amount(task.done, task.total, task.unit) : "";
  return {
    phaseLine: phase && phases.length > 1 ? `Phase ${phases.indexOf(phase) + 1} of ${phases.length}:` : "",
    phaseTitle: phase?.title ?? "",
    progressLine: [phase?.title, counted].filter(Boolean).join(", "),
  };
}

function numbers(task) {
  const known = isKnown(task.done);
  const word = task.unit ? ` ${task.unit}` : "";
  return {
    done: known ? count(task.done) : UNKNOWN,
    doneOf: known && isKnown(task.total) ? `of ${count(task.total)}${word}` : known ? `${word} so far`.trim() : "",
    doneLeft: known && isKnown(task.total) ? `${count(Math.max(0, task.total - task.done))} to go` : "",
    rate: rateNumber(task.rate),
    rateUnit: isKnown(task.rate) ? `${task.unit || "steps"}/s` : "",
  };
}

function ends(task, state, fresh, now) {
  const eta = state === "running" ? range(task.eta_low_s, task.eta_high_s) : UNKNOWN;
  const at = clockTime(task.estimated_completion).slice(0, 5);
  const left = eta === UNKNOWN ? "" : `${eta} left`;
  return {
    eta,
    etaAt: etaAt(task, state, eta, at),
    end: fresh.kind === "silent" ? fresh.words : endOf(task, state, left, now),
  };
}

function etaAt(task, state, eta, at) {
  if (eta === UNKNOWN) return state === "running" && !task.stalled_since ? "no estimate yet" : "";
  if (!at) return "";
  return task.eta_runs ? `about ${at} UTC, by ${plural(task.eta_runs, "run")}` : `done about ${at} UTC`;
}

function endOf(task, state, left, now) {
  if (isFinal(task.status)) return isKnown(task.duration_ms) ? `took ${measured(task.duration_ms)}` : "";
  if (state === "retrying") return `attempt ${nextAttempt(task)} of ${task.max_attempts ?? 1} next`;
  if (task.status === "queued") return queuePlace(task);
  if (state === "running" && task.stalled_since) return `no progress for ${since(task.stalled_since, now)}`;
  return left || (task.started_at ? `running for ${since(task.started_at, now)}` : "");
}

/** What goes on and since when; null for what has ended, no `since` for what the events do not tell. */
function elapsedSince({ status, started_at: started, queued_at: queued }) {
  if (status === "running") return { words: "running for", since: started ?? null };
  return status === "queued" ? { words: "waiting for", since: queued ?? null } : null;
}

function sentence(task, state, fresh, now) {
  if (isFinal(task.status)) return "";
  if (fresh.kind === "silent") {
    return `Last sign of life ${fresh.asOf}. If the worker stays silent, the task is tried again or ended as interrupted.`;
  }
  if (!fresh.confirmed) return fresh.kind === "catching" ? `State as of ${fresh.asOf}. Newer events are being replayed in order.` : "";
  if (state === "cancelling") return cancelSentence(task, now);
  if (state === "retrying") return retrySentence(task);
  if (task.status === "queued" && held(task)) return held(task)[1];
  if (task.status === "queued") return queuePlace(task).replace(/^./, (first) => first.toUpperCase()).concat(".");
  if (task.stalled_since) return stalledSentence(task, now);
  return shownPercent(task) === null ? unknownTotalSentence(task) : "";
}

function stalledSentence({ stalled_since: stalled, usual_gap_s: usual }, now) {
  const known = isKnown(usual) ? `; this job usually reports every ${duration(Math.max(usual, 1) * 1000)}` : "";
  return `No progress for ${since(stalled, now)}${known}. Its worker is alive.`;
}

function unknownTotalSentence(task) {
  const counted = isKnown(task.done) ? amount(task.done, null, task.unit) : "";
  return `${[currentPhase(task)?.title, counted].filter(Boolean).join(": ") || "Started"}. The share is shown once the total is known.`;
}

function cancelSentence(task, now) {
  const asked = task.cancel_requested_at ? `${task.cancelled_by || "Somebody"} asked ${ago(task.cancel_requested_at, now)}.` : "Cancel was asked for.";
  return `${asked} The job stops at its next checkpoint; if it does not, it is ended by force.`;
}

/** The attempt that comes next, whichever one the event counted. */
export function nextAttempt(task) {
  return Math.max(task.retry_attempt ?? 0, (task.attempt ?? 0) + 1);
}

function retrySentence(task) {
  const [why, next] = [task.retry_error ?? task.error, nextAttempt(task)];
  const reason = why ? `: ${why.replace(/\.$/, "")}` : "";
  return `Attempt ${next - 1} of ${task.max_attempts ?? 1} failed${reason}. Attempt ${next} starts at ${clockTime(task.retry_at)} from 0 %.`;
}

const HELD = {
  queue: ["the queue is paused", "The queue is paused. This task waits until it is resumed."],
  kind: ["this job is paused", "Jobs of this kind are paused. This task waits until they are resumed."],
  maintenance: ["waits out the maintenance", "Maintenance: nothing begins. This task waits for its end."],
};
const held = (task) => HELD[task.house ? heldBy(task.house, task.kind) : task.held];

function queuePlace(task) {
  const place = task.queue_position;
  if (held(task)) return held(task)[0];
  if (!isKnown(place) || place < 1) return "waiting for a worker";
  return place === 1 ? "next in line" : `${ordinal(place)} in line`;
}

function phaseView(phase, all, task, fresh, now) {
  const whole = all.reduce((sum, one) => sum + (one.weight ?? 0), 0);
  const share = whole > 0 ? `${Number(((100 * (phase.weight ?? 0)) / whole).toPrecision(3))} %` : "";
  const counted = phase.state === "running" && isKnown(phase.done) ? amount(phase.done, phase.total, phase.unit) : "";
  const isRunning = phase.state === "running" && task.status === "running";
  const running = isRunning && phase.started_at ? since(phase.started_at, now) : "";
  const state = phaseState(phase, task);
  return {
    name: phase.name, title: phase.title, state, firstLine: phase.first_line ?? null,
    icon: PHASE_ICON[state] ?? state, word: PHASE_WORD[state] ?? "",
    note: [phase.note || counted, share].filter(Boolean).join(", "),
    time: isKnown(phase.duration_ms) ? measured(phase.duration_ms) : running,
    bar: phaseBar(phase, isRunning, fresh),
  };
}

/** A phase that an end has cut short does not go on turning; where a task was cancelled, nothing in it failed. */
function phaseState(phase, task) {
  if (task.status === "cancelled" && phase.state !== "done" && phase.state !== "pending") return "cancelled";
  if (phase.state !== "running" || !isFinal(task.status)) return phase.state;
  return { completed: "done", failed: "failed" }[task.status] ?? "pending";
}

function phaseBar({ done, total, unit }, isRunning, fresh) {
  const still = fresh.kind === "silent" || !isRunning ? "halted" : "stale";
  if (!isKnown(done) || !isKnown(total) || total <= 0) {
    return { mode: isRunning && fresh.confirmed ? "unknown" : "waiting", value: null, width: "0%", text: "Total not known yet" };
  }
  const part = Math.min(100, (100 * done) / total);
  return { mode: isRunning && fresh.confirmed ? "moving" : still, value: tenths(part), width: `${part}%`,
    text: `${percentNumber(part)} percent, ${amount(done, total, unit)}` };
}
