/**
 * The lines of one task's log, by their number `n`, which is theirs for ever.
 * One rule: a line is here once, whatever brought it and however often; what lacks is known as ranges.
 */

const CAPACITY = 6_000;

export class LogBook {
  #lines = new Map();
  #absent = new Set();
  #keep = { from: 1, to: Infinity };
  /** The highest line number known to exist. */
  total = 0;

  constructor(capacity = CAPACITY) {
    this.capacity = capacity;
  }

  get(n) {
    return this.#lines.get(n);
  }

  /** Adds lines in any order and answers those that were not here, by rising n. */
  add(lines) {
    const fresh = [];
    for (const line of lines ?? []) {
      if (!Number.isInteger(line?.n) || line.n < 1 || this.#lines.has(line.n)) continue;
      this.#lines.set(line.n, line);
      this.#absent.delete(line.n);
      fresh.push(line);
      this.learnTotal(line.n);
    }
    this.#evict();
    return fresh.sort((a, b) => a.n - b.n);
  }

  learnTotal(n) {
    if (Number.isInteger(n) && n > this.total) this.total = n;
  }

  /** The server has been asked for these and has none of them: asking again would be in vain. */
  markAbsent(from, to) {
    for (let n = from; n <= to; n += 1) if (!this.#lines.has(n)) this.#absent.add(n);
  }

  /** The log may have been asked about lines that were only on their way: ask once more. */
  forgetAbsent() {
    this.#absent.clear();
  }

  isAbsent(n) {
    return this.#absent.has(n);
  }

  /** The ranges [from, to] between the two numbers that are neither here nor known to be gone. */
  missing(from, to) {
    const ranges = [];
    const end = Math.min(to, this.total);
    for (let n = Math.max(1, from); n <= end; n += 1) {
      if (this.#lines.has(n) || this.#absent.has(n)) continue;
      const last = ranges.at(-1);
      if (last && last[1] === n - 1) last[1] = n;
      else ranges.push([n, n]);
    }
    return ranges;
  }

  /** Lines outside this window are the first to be forgotten when the book is full. */
  keepAround(from, to) {
    this.#keep = { from, to };
  }

  #evict() {
    if (this.#lines.size <= this.capacity) return;
    const { from, to } = this.#keep;
    const distance = (n) => (n < from ? from - n : n > to ? n - to : 0);
    const byDistance = [...this.#lines.keys()].sort((a, b) => distance(b) - distance(a) || a - b);
    const surplus = this.#lines.size - Math.floor(this.capacity * 0.9);
    for (const n of byDistance.slice(0, surplus)) this.#lines.delete(n);
  }
}
