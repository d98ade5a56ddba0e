/** What only commands show while they run: bars inside the whole, rows that are rewritten, processes. */
import { paintSoon } from "./frame.js";
import { amount, isKnown, percent, percentNumber } from "./format.js";
import { find, findAll, fromTemplate, setAttribute, setHidden, setText } from "./hooks.js";
import { live } from "./live.js";
import { swapRegions } from "./swap.js";

/** As many copies of a template in `list` as there are values, each painted. */
function paintList(list, template, hook, values, paint) {
  if (!list) return;
  const items = findAll(list, hook);
  for (const extra of items.splice(values.length)) extra.remove();
  while (items.length < values.length) {
    const item = fromTemplate(template);
    if (!item) return;
    list.append(item);
    items.push(item);
  }
  values.forEach((value, index) => paint(items[index], value));
}

function paintBar(item, bar) {
  const known = isKnown(bar.percent);
  const label = find(item, "command-label");
  setText(label, bar.label || "bar");
  setAttribute(label, "title", bar.label ?? "");
  const meter = find(item, "command-meter");
  setAttribute(meter, "data-mode", known ? "moving" : "waiting");
  setAttribute(meter, "aria-label", bar.label || "bar");
  setAttribute(meter, "aria-valuenow", known ? bar.percent : null);
  setAttribute(meter, "aria-valuetext", known ? `${percentNumber(bar.percent)} percent` : "Total not known yet");
  setAttribute(find(item, "command-fill"), "width", known ? `${bar.percent}%` : "0%");
  setText(find(item, "command-percent"), percent(known ? bar.percent : null));
  setText(find(item, "command-words"), barWords(bar));
}

/** "41,208 of 96,000 docs, 2328.0docs/s, 00:23 left", as in pages/command.py. */
function barWords({ done, total, unit, rate, left }) {
  const counted = unit === "%" ? "" : amount(done, total, unit);
  return [counted, rate, left && left !== "?" ? `${left} left` : ""].filter(Boolean).join(", ");
}

function paintProcess(item, { pid, depth, name, cpu, memory }) {
  setAttribute(item, "data-depth", depth);
  setText(find(item, "command-process-name"), `${pid} ${name}`);
  setText(find(item, "command-process-cpu"), `${cpu} %`);
  setText(find(item, "command-process-memory"), memory);
}

/** As in templates/results/command_side.html. */
const endsAll = (count) => (isKnown(count) && count > 1 ? `a cancel ends all ${count}` : "a cancel ends it");

/** What runs is known once the worker has begun; the server writes it. After the end it stands above. */
function paintSide(root, stream) {
  const side = find(root, "command-side");
  setHidden(side, stream.isFinal);
  if (!side || !("commandWaits" in side.dataset) || !stream.state.task.details?.run) return;
  delete side.dataset.commandWaits;
  swapRegions(["command-side"]);
}

function paintAll(root, stream) {
  const { task } = stream.state;
  paintSide(root, stream);
  const { bars = [], rows = [], tree = [], processes } = task.details ?? {};
  const inner = (bars ?? []).filter((bar) => !bar.is_whole);
  setHidden(find(root, "command-bars"), inner.length === 0);
  paintList(find(root, "command-bars"), "command-bar", "command-bar", inner, paintBar);
  const shown = stream.isFinal ? [] : rows ?? [];
  setHidden(find(root, "command-now"), shown.length === 0);
  paintList(find(root, "command-rows"), "command-row", "command-row", shown,
    (item, text) => setText(find(item, "command-row-text"), text));
  const running = stream.isFinal ? [] : tree ?? [];
  setHidden(find(root, "command-processes"), running.length === 0);
  setText(find(root, "command-count"), endsAll(processes));
  paintList(find(root, "command-tree"), "command-process", "command-process", running, paintProcess);
}

const root = document.querySelector('[data-page="task"][data-kind="command"]');
if (root && live) {
  const stream = live.streams.of(root.dataset.task);
  const paint = () => stream.isWhole && paintAll(root, stream);
  stream.subscribe((_, what) => what !== "log" && paintSoon(paint));
}
