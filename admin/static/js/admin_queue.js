/**
 * The queue and its workers, live: `queue_update` every three seconds, times that go on by the clock in between. Rows of
 * workers and of waiting tasks change in place; new ones come below, and who is gone stays, greyed, until a reload.
 */
import { count, duration, isKnown, plural, UNKNOWN } from "/static/js/format.js";
import { paintSoon } from "/static/js/frame.js";
import { markChanged } from "/static/js/guarded_clicks.js";
import { find, findAll, fromTemplate, setAttribute, setHidden, setIcon, setText } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";
import { ago, since } from "/static/js/time.js";

const MOST_WAITING = 20;
const GONE = new Set(["silent", "stopped"]);
const root = document.querySelector('[data-page="admin-queue"]');

class QueuePage {
  #told = null;
  #held = null;

  constructor() {
    const { words, workerWords, workerBadges } = root.dataset;
    this.words = JSON.parse(words);
    this.workerWords = JSON.parse(workerWords);
    this.badges = JSON.parse(workerBadges);
    live.connection.on("queue_update", (told) => this.#heard(told));
    live.connection.on("server_status", (status) => this.#changed(status));
    live.connection.onOpen(() => live.connection.request("join_admin_dashboard").catch(() => {}));
    live.timers.every(() => !document.hidden && this.#told && paintSoon(this.#paint), 1_000);
  }

  #paint = () => {
    const { queue, workers } = this.#told;
    const now = live.clock.now();
    for (const cell of findAll(root, "queue")) setText(cell, count(queue[cell.dataset.queue]));
    for (const line of findAll(root, "line")) this.#paintLine(line, queue.by_priority[line.dataset.line], now);
    this.#paintReasons(queue);
    this.#paintOldest(queue.oldest, now);
    if (workers) this.#paintWorkers(workers, now);
    const running = queue.maintenance?.running;
    if (isKnown(running)) setText(find(root, "maintenance"), running ? `${plural(running, "task")} still running` : "Nothing runs any more: ready for the restart.");
  };

  #heard(told) {
    this.#told = told;
    paintSoon(this.#paint);
  }

  /** What is paused decides which forms there are: the page is made anew, unless somebody is typing in one. */
  #changed({ paused, paused_kinds: kinds, maintenance }) {
    const held = JSON.stringify([paused, kinds, maintenance?.since]);
    const isNew = this.#held !== null && this.#held !== held;
    this.#held = held;
    if (isNew && !root.querySelector("input:focus")) location.reload();
  }

  #paintLine(line, { waiting, oldest_at: oldest }, now) {
    setText(find(line, "line-waiting"), count(waiting));
    setText(find(line, "line-longest"), since(oldest, now) || UNKNOWN);
  }

  #paintReasons({ waits_for: counts, waiting }) {
    for (const item of findAll(root, "reason")) {
      const number = counts[item.dataset.reason];
      setText(find(item, "reason-count"), count(number));
      setHidden(item, !number);
    }
    setHidden(find(root, "no-reasons"), waiting > 0);
  }

  #paintOldest(oldest, now) {
    const body = find(root, "oldest");
    const rows = new Map(findAll(body, "waiting").map((row) => [row.dataset.waiting, row]));
    for (const each of oldest) {
      const row = rows.get(each.task_id) ?? (rows.size < MOST_WAITING ? this.#newWaiting(body, each) : null);
      rows.delete(each.task_id);
      if (!row) continue;
      setText(find(row, "waiting-priority"), each.priority);
      setText(find(row, "waiting-for"), this.words[each.waits_for] ?? "");
      setText(find(row, "waiting-since"), since(each.queued_at, now) || UNKNOWN);
    }
    for (const row of rows.values()) {
      setAttribute(row, "data-gone", "");
      setText(find(row, "waiting-for"), "waits no longer");
    }
    setHidden(find(root, "no-oldest"), body.rows.length > 0);
  }

  #newWaiting(body, { task_id: taskId, title, owner }) {
    const row = fromTemplate("waiting");
    row.dataset.waiting = taskId;
    setText(find(row, "waiting-title"), title);
    find(row, "waiting-title").href = `/admin/jobs/${encodeURIComponent(taskId)}`;
    setText(find(row, "waiting-owner"), owner);
    body.append(row);
    return row;
  }

  #paintWorkers(workers, now) {
    const body = find(root, "workers");
    if (!body) return location.reload();
    const rows = new Map(findAll(body, "worker").map((row) => [row.dataset.worker, row]));
    for (const worker of workers) {
      const row = rows.get(worker.name) ?? this.#newWorker(body, worker);
      rows.delete(worker.name);
      this.#paintWorker(row, worker, now);
    }
    for (const row of rows.values()) setAttribute(row, "data-gone", "");
    setHidden(find(root, "no-workers"), body.rows.length > 0);
  }

  #newWorker(body, { name }) {
    const row = fromTemplate("worker");
    row.dataset.worker = name;
    setText(find(row, "worker-name"), name.replace(/:[^:]*$/, ""));
    find(row, "worker-value").value = name;
    body.append(row);
    return row;
  }

  #paintWorker(row, worker, now) {
    const { state, task, pid } = worker;
    setAttribute(row, "data-state", state);
    setAttribute(row, "data-moving", state === "running" ? "" : null);
    const badge = find(row, "badge");
    setAttribute(badge, "data-state", this.badges[state]);
    setIcon(badge, this.badges[state]);
    setText(find(badge, "badge-word"), this.workerWords[state]);
    setText(find(row, "worker-pid"), pid === null ? UNKNOWN : String(pid));
    const link = find(row, "worker-task");
    setText(link, task?.title ?? UNKNOWN);
    setAttribute(link, "href", task ? `/tasks/${encodeURIComponent(task.task_id)}` : null);
    setText(find(row, "worker-lease"), task ? since(task.lease_renewed_at, now) || UNKNOWN : UNKNOWN);
    setText(find(row, "worker-up"), upWords(worker, now));
    setText(find(row, "worker-memory"), isKnown(worker.memory_bytes) ? `${count(worker.memory_bytes / 1e6)} MB` : UNKNOWN);
    setText(find(row, "worker-cpu"), isKnown(worker.cpu_percent) ? `${worker.cpu_percent.toFixed(0)} %` : UNKNOWN);
    this.#allowDrain(find(row, "worker-drain"), worker);
  }

  #allowDrain(button, { state, wants_drain: isAsked }) {
    const isAlive = state === "idle" || state === "running";
    setHidden(button, GONE.has(state));
    if (button.disabled === (isAlive && !isAsked)) markChanged(button);
    button.disabled = !isAlive || isAsked;
    setText(button, isAlive && isAsked ? "Asked to drain" : "Drain");
  }
}

function upWords({ state, started_at: started, seen_at: seen }, now) {
  if (GONE.has(state)) return seen ? `seen ${ago(seen, now)}` : UNKNOWN;
  return started ? duration(now - Date.parse(started)) : UNKNOWN;
}

if (root && live) new QueuePage();
