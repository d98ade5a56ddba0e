/** A click within 300 ms of a change of its button was meant for what was there before: it is ignored. */

const GUARD_MS = 300;
const changedAt = new WeakMap();

/** The button now does or says something else. */
export function markChanged(element) {
  if (element) changedAt.set(element, performance.now());
}

export function guardClicks() {
  document.addEventListener("click", (event) => {
    const element = event.target.closest?.("button, a");
    if (!element || performance.now() - (changedAt.get(element) ?? -Infinity) >= GUARD_MS) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}
