/**
 * Rows of tasks that change in place: each row that may still change follows its task over the one connection. Rows
 * never move, come or go by themselves; what is newer waits behind a link.
 */
import { paintSoon } from "./frame.js";
import { freshness } from "./freshness.js";
import { find, findAll, setHidden, setText } from "./hooks.js";
import { live } from "./live.js";
import { plural } from "./format.js";
import { swapRegions } from "./swap.js";
import { paintTask } from "./task_painter.js";
import { isFinal } from "./task_reducer.js";
import { describe } from "./task_view.js";

export class LiveRows {
  #rows = new Map();
  #newer = new Set();
  #paint = () => this.#paintAll();

  /**
   * `regions` are the parts of the page that are fetched again when the reader asks for newer rows; `belongs(update)`
   * says whether a task that is not shown is one of them.
   */
  constructor(root, { regions, known, belongs = () => true }) {
    Object.assign(this, { root, regions, known, belongs });
    this.#follow();
    live.connection.on("task_update", (update) => this.#updated(update?.data ?? {}));
    live.connection.onState(() => paintSoon(this.#paint));
    live.timers.every(() => !document.hidden && paintSoon(this.#paint), 1_000);
    root.addEventListener("click", (event) => event.target.closest("[data-newer]") && this.#showNewer(event));
  }

  #follow() {
    for (const row of findAll(this.root, "task")) {
      const { task, status, attempt, maxAttempts } = row.dataset;
      this.known.add(task);
      if (isFinal(status)) continue;
      const stream = live.streams.of(task, { task_id: task, status, attempt: Number(attempt), max_attempts: Number(maxAttempts),
        seq: null, epoch: null, timestamp: null });
      this.#rows.set(row, { stream, stop: stream.subscribe(() => paintSoon(this.#paint)) });
    }
  }

  #paintAll() {
    for (const [row, { stream }] of this.#rows) {
      if (!row.isConnected || !stream.isWhole) continue;
      const fresh = freshness({ connection: live.connection.state, stream, refresh: live.refresh,
        downMs: live.connection.downMs, now: live.clock.now() });
      paintTask(row, describe(stream.state.task, fresh, fresh.shownAt));
    }
  }

  #updated(update) {
    const { task_id: taskId } = update;
    if (!taskId || this.known.has(taskId) || !this.belongs(update)) return;
    this.#newer.add(taskId);
    const link = find(this.root, "newer");
    setText(link && (find(link, "newer-text") ?? link), `${plural(this.#newer.size, "newer task")}, show ${this.#newer.size === 1 ? "it" : "them"}`);
    setHidden(link, false);
  }

  async #showNewer(event) {
    event.preventDefault();
    document.activeElement?.blur();
    for (const { stop } of this.#rows.values()) stop();
    this.#rows.clear();
    this.#newer.clear();
    await swapRegions(this.regions);
    setHidden(find(this.root, "newer"), true);
    this.#follow();
  }
}
