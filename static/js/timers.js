/** The one place that touches real timers; tests hand in their own. Milliseconds. */
export const realTimers = {
  now: () => Date.now(),
  set: (fn, ms) => setTimeout(fn, ms),
  every: (fn, ms) => setInterval(fn, ms),
  clear: (id) => {
    clearTimeout(id);
    clearInterval(id);
  },
};
