/**
 * Brings the log lines that somebody wants to see and that no event has brought. One request at a time; what fails
 * is tried again, later each time; what the server does not have is marked as gone.
 */

const PAGE = 500;
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 20_000;

export class LogFetcher {
  #book;
  #read;
  #timers;
  #changed;
  #wanted = null;
  #busy = null;
  #timer = null;
  #delay = FIRST_RETRY_MS;
  #stopped = false;

  /** `read(from, limit)` resolves to `{lines, next_line, total_lines}`; `changed()` is told of each arrival. */
  constructor(book, read, { timers, changed }) {
    this.#book = book;
    this.#read = read;
    this.#timers = timers;
    this.#changed = changed;
  }

  /** The lines to have: from a number to another, or to the end, `first` before all. Until this is called nothing is fetched. */
  want(from, to = Infinity, first = null) {
    this.#wanted = { from, to, first };
    this.#book.keepAround(from, to === Infinity ? this.#book.total : to);
    this.ensure();
  }

  /** The last request failed, and the next one waits. */
  get isFailing() {
    return this.#timer !== null;
  }

  ensure() {
    if (!this.#wanted || this.#busy || this.#timer !== null || this.#stopped) return;
    const { from, to, first } = this.#wanted;
    const missing = this.#book.missing(from, to);
    const asked = missing.find(([start, end]) => first >= start && first <= end);
    const newest = missing.at(-1);
    if (asked) this.#fetch(Math.max(asked[0], first - PAGE / 2), Math.min(asked[1], first + PAGE / 2 - 1));
    else if (newest) this.#fetch(Math.max(newest[0], newest[1] - PAGE + 1), newest[1]);
  }

  /** Asks once what has been written after the last known line: a snapshot may be older than the log's end. */
  checkEnd() {
    if (!this.#wanted || this.#wanted.to !== Infinity || this.#busy) return;
    this.#fetch(this.#book.total + 1, this.#book.total + PAGE);
  }

  /** The connection is back or somebody asks: no need to sit out the wait. */
  hurry() {
    this.#clearTimer();
    this.#delay = FIRST_RETRY_MS;
    this.ensure();
  }

  stop() {
    this.#stopped = true;
    this.#clearTimer();
  }

  resume() {
    this.#stopped = false;
    this.ensure();
  }

  async #fetch(from, to) {
    this.#busy = { from, to };
    try {
      const answer = await this.#read(from, to - from + 1);
      this.#book.add(answer.lines);
      this.#book.learnTotal(answer.total_lines);
      const reached = Number.isInteger(answer.next_line) ? answer.next_line - 1 : to;
      this.#book.markAbsent(from, Math.min(to, Math.max(reached, from), this.#book.total));
      this.#delay = FIRST_RETRY_MS;
    } catch {
      this.#timer = this.#timers.set(() => this.#retry(), this.#delay);
      this.#delay = Math.min(this.#delay * 2, LAST_RETRY_MS);
    }
    this.#busy = null;
    this.#changed();
    this.ensure();
  }

  #retry() {
    this.#timer = null;
    this.ensure();
  }

  #clearTimer() {
    this.#timers.clear(this.#timer);
    this.#timer = null;
  }
}
