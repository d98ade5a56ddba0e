/**
 * When to try the connection again: after 2, 4 … 20 s, each ±20 %, ten tries, then no more by itself.
 * Pure: the caller owns the timer and the random source.
 */

export const MAX_ATTEMPTS = 10;
const STEP_S = 2;
const JITTER = 0.2;

/** Milliseconds before try number `attempt` (from 1); `random` is in [0, 1). */
export function delayBefore(attempt, random) {
  const base = STEP_S * Math.min(attempt, MAX_ATTEMPTS) * 1000;
  return Math.round(base * (1 - JITTER + 2 * JITTER * random));
}

export class ReconnectSchedule {
  attempt = 0;

  constructor(random = Math.random) {
    this.random = random;
  }

  get exhausted() {
    return this.attempt >= MAX_ATTEMPTS;
  }

  /** Counts the next try and says how long to wait for it; null after the last. `atLeastMs` is a server's wish. */
  next(atLeastMs = 0) {
    if (this.exhausted) return null;
    this.attempt += 1;
    const delay = delayBefore(this.attempt, this.random());
    return atLeastMs > 0 ? Math.round(Math.max(delay, atLeastMs * (1 + JITTER * this.random()))) : delay;
  }

  reset() {
    this.attempt = 0;
  }
}
