/**
 * Writes what describe() says into one element with `data-task`: a page or a row. What is not there is left out.
 * One rule: elements are kept and only text and attributes change, so focus, selection and layout stay.
 */
import { find, findAll, fromTemplate, setAttribute, setHidden, setIcon, setText } from "./hooks.js";
import { plainValue } from "./format.js";

export function paintTask(root, view) {
  setAttribute(root, "data-status", view.status);
  setAttribute(root, "data-state", view.badge.state);
  setAttribute(root, "data-moving", view.fresh?.state === "live" && view.status === "running" ? "" : null);
  paintBadge(find(root, "badge"), view.badge);
  paintFresh(find(root, "fresh"), view.fresh);
  paintBar(find(root, "bar"), view.bar);
  paintNumbers(root, view);
  paintSentence(find(root, "sentence"), view.sentence);
  paintStart(find(root, "elapsed"), view.elapsed);
  paintStats(find(root, "stats"), view.stats);
  const phases = find(root, "phases");
  if (phases) for (const phase of view.phases) paintPhase(phases, phase);
}

function paintBadge(badge, { state, word }) {
  if (!badge) return;
  setAttribute(badge, "data-state", state);
  setIcon(badge, state);
  setText(find(badge, "badge-word"), word);
}

export function paintFresh(fresh, view) {
  if (!fresh) return;
  setHidden(fresh, view === null);
  if (!view) return;
  setAttribute(fresh, "data-state", view.state);
  setIcon(fresh, view.state);
  setText(find(fresh, "fresh-words"), view.words);
}

function paintBar(bar, { mode, width, value, text }) {
  if (!bar) return;
  setAttribute(bar, "data-mode", mode);
  setAttribute(find(bar, "bar-fill"), "width", width);
  setAttribute(find(bar, "bar-hatch"), "width", width);
  setAttribute(bar, "aria-valuenow", mode === "unknown" ? null : value);
  setAttribute(bar, "aria-valuetext", text);
}

function paintNumbers(root, view) {
  const whole = find(root, "percent-value");
  if (whole) setText(whole, view.percent.value);
  else setText(find(root, "percent"), view.percent.whole);
  setHidden(find(root, "percent-unit"), view.percent.unit === "");
  const texts = { "phase-line": view.phaseLine, "phase-title": view.phaseTitle, "progress-line": view.progressLine,
    done: view.done, "done-of": view.doneOf, "done-left": view.doneLeft, rate: view.rate, "rate-unit": view.rateUnit,
    eta: view.eta, "eta-at": view.etaAt, end: view.end, "attempt-line": view.attempt };
  for (const [hook, text] of Object.entries(texts)) setText(find(root, hook), text);
  if (view.worker) setText(find(root, "worker"), view.worker);
  const step = find(root, "step");
  setText(step, view.step);
  setAttribute(step, "title", view.step);
}

function paintSentence(element, sentence) {
  if (!element) return;
  setText(element, sentence);
  setHidden(element, sentence === "");
}

function paintStart(element, elapsed) {
  if (!element || !elapsed) return;
  if (!elapsed.since && element.dataset.elapsed === elapsed.words) return;
  setAttribute(element, "data-elapsed", elapsed.words);
  setAttribute(element, "data-since", elapsed.since);
  if (!elapsed.since) setText(element, "");
}

function paintStats(stats, values) {
  if (!stats || !values.length) return;
  const labels = JSON.parse(stats.dataset.labels || "{}");
  const leftOut = new Set(JSON.parse(stats.dataset.leaveOut || "[]"));
  for (const [key, value] of values) {
    if (leftOut.has(key) || (typeof value === "object" && value !== null)) continue;
    const stat = stats.querySelector(`[data-stat="${CSS.escape(key)}"]`) ?? addStat(stats, key, labels[key]);
    if (stat) setText(find(stat, "stat-value"), plainValue(value));
  }
}

function addStat(stats, key, label) {
  const stat = fromTemplate("stat");
  if (!stat) return null;
  stat.dataset.stat = key;
  setText(find(stat, "stat-label"), label ?? key.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase()));
  stats.append(stat);
  return stat;
}

function paintPhase(phases, phase) {
  const item = phases.querySelector(`[data-phase="${CSS.escape(phase.name)}"]`) ?? addPhase(phases, phase);
  if (!item) return;
  setAttribute(item, "data-state", phase.state);
  setAttribute(item, "aria-current", phase.state === "running" ? "step" : null);
  setIcon(item, phase.icon);
  setAttribute(find(item, "phase-link"), "href", phase.firstLine ? `#L${phase.firstLine}` : null);
  setText(find(item, "phase-state"), `, ${phase.word}`);
  setText(find(item, "phase-note"), phase.note);
  setText(find(item, "phase-time"), phase.time);
  paintBar(find(item, "phase-bar"), phase.bar);
}

function addPhase(phases, { name, title }) {
  const item = fromTemplate("phase");
  if (!item) return null;
  item.dataset.phase = name;
  setText(find(item, "phase-link"), title);
  find(item, "phase-bar").setAttribute("aria-label", title);
  phases.append(item);
  return item;
}

/** The words that go on with the clock alone: "running for 2 min 1 s". */
export function paintElapsed(root, sinceWords) {
  for (const element of findAll(root, "elapsed")) {
    const words = sinceWords(element.dataset.since);
    if (words) setText(element, `${element.dataset.elapsed} ${words}`.trim());
  }
}
