/** Registered repositories: a last scan's row changes in place; when it has ended, its result and history come in. */
import { live } from "./live.js";
import { LiveRows } from "./live_rows.js";
import { swapRegions } from "./swap.js";
import { isFinal } from "./task_reducer.js";

const root = document.querySelector('[data-page="repositories"]');

/** The server stores an end before it tells it, so what is fetched now is the result. */
function bringResults(changes) {
  for (const { target, oldValue } of changes) {
    if (isFinal(oldValue) || !isFinal(target.dataset.status)) continue;
    swapRegions([target.dataset.swap, "head-actions", "history"]).catch(() => {}); // else the next look shows it
  }
}

if (root && live) {
  new LiveRows(root, { regions: ["rows"], known: new Set() });
  new MutationObserver(bringResults).observe(root, { subtree: true, attributeFilter: ["data-status"], attributeOldValue: true });
}
