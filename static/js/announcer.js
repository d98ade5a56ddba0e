/**
 * What a screen reader is told: at most one message each three seconds and region, and of one topic only the newest.
 * `write(text)` puts a message into the live region.
 */

export const GAP_MS = 3_000;

export class AnnouncementQueue {
  #waiting = new Map();
  #timer = null;
  #lastAt = -Infinity;

  constructor(write, timers) {
    this.write = write;
    this.timers = timers;
  }

  /** A message of the same topic that still waits is overtaken and never said. */
  say(text, topic = text) {
    this.#waiting.delete(topic);
    this.#waiting.set(topic, text);
    if (this.#timer === null) this.#plan();
  }

  #plan() {
    const wait = Math.max(0, this.#lastAt + GAP_MS - this.timers.now());
    this.#timer = this.timers.set(() => this.#next(), wait);
  }

  #next() {
    this.#timer = null;
    const [topic, text] = this.#waiting.entries().next().value;
    this.#waiting.delete(topic);
    this.#lastAt = this.timers.now();
    this.write(text);
    if (this.#waiting.size) this.#plan();
  }
}
