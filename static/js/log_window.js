/**
 * Which lines of a log are in the page: a window of at most 2,000, following the end or standing where the reader is.
 * Pure: numbers in, numbers out.
 */

export const MOST_LINES = 2_000;
const STEP = 500;

export class LogWindow {
  from = 1;
  to = 0;
  isFollowing = true;
  /** The last line there was when following ended: what came after is "new". */
  #seen = 0;

  constructor(most = MOST_LINES) {
    this.most = most;
  }

  /** The log has grown to `total` lines. */
  grow(total) {
    if (this.isFollowing) {
      this.to = total;
      this.from = Math.max(this.from, total - this.most + 1);
    } else if (this.to - this.from + 1 < this.most) {
      this.to = Math.max(this.to, Math.min(total, this.from + this.most - 1));
    }
  }

  follow(total) {
    this.isFollowing = true;
    if (this.to < total - this.most) this.from = 1;
    this.grow(total);
  }

  stop(total) {
    if (this.isFollowing) this.#seen = total;
    this.isFollowing = false;
  }

  /** Lines that came after following ended. */
  newLines(total) {
    return this.isFollowing ? 0 : Math.max(0, total - this.#seen);
  }

  /** Towards the beginning; answers whether anything changed. */
  extendUp(total) {
    if (this.from <= 1) return false;
    this.stop(total);
    this.from = Math.max(1, this.from - STEP);
    this.to = Math.min(this.to, this.from + this.most - 1);
    return true;
  }

  extendDown(total) {
    if (this.isFollowing || this.to >= total) return false;
    this.to = Math.min(total, this.to + STEP);
    this.from = Math.max(this.from, this.to - this.most + 1);
    return true;
  }

  /** Puts line `n` into the window, with as much around it as fits. */
  goTo(n, total) {
    this.stop(total);
    if (n >= this.from && n <= this.to) return;
    this.from = Math.max(1, Math.min(n - STEP, total - this.most + 1));
    this.to = Math.min(total, this.from + this.most - 1);
  }
}
