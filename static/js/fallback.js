/**
 * When the connection is lost for good, the tasks on this page are read over HTTP every few seconds, and the page says
 * so. One rule: never while there is a connection. No DOM.
 */

export class FallbackRefresh {
  #streams;
  #read;
  #timers;
  #timer = null;
  #busy = false;
  #listeners = new Set();
  isOn = false;
  lastAt = null;
  nextAt = null;
  failure = null;

  /** `everyS` 0 switches the refresh off; `readTask(id)` resolves to a snapshot. */
  constructor(streams, connection, { everyS, readTask, timers }) {
    this.#streams = streams;
    this.#read = readTask;
    this.#timers = timers;
    this.everyMs = everyS * 1000;
    connection.onState((state) => this.#follow(state));
  }

  get nextInMs() {
    return this.nextAt === null ? null : Math.max(0, this.nextAt - this.#timers.now());
  }

  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** What the button "Refresh now" does; works with the interval switched off, too. */
  async refreshNow() {
    if (this.#busy) return;
    this.#busy = true;
    this.#timers.clear(this.#timer);
    try {
      for (const stream of this.#streams.active) stream.refreshed(await this.#read(stream.taskId));
      this.lastAt = this.#timers.now();
      this.failure = null;
    } catch (error) {
      this.failure = error.message;
    }
    this.#busy = false;
    this.#plan();
  }

  #follow({ name, reason }) {
    const needed = name === "lost" && reason === null && this.everyMs > 0;
    if (needed === this.isOn) return;
    this.isOn = needed;
    this.#timers.clear(this.#timer);
    this.nextAt = null;
    if (needed) this.refreshNow();
    else this.#tell();
  }

  #plan() {
    if (this.isOn && this.#streams.active.length) {
      this.nextAt = this.#timers.now() + this.everyMs;
      this.#timer = this.#timers.set(() => this.refreshNow(), this.everyMs);
    } else {
      this.nextAt = null;
    }
    this.#tell();
  }

  #tell() {
    for (const listener of this.#listeners) listener(this);
  }
}
