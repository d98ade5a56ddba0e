/** Registered repositories: a last scan's row changes in place; when it has ended, its result and history come in. */
import { live } from "./live.js";
import { LiveRows } from "./live_rows.js";
import { swapRegions } from "./swap.js";
import { isFinal } from "./task_reducer.js";

const TRIES = 5;
const AGAIN_MS = 1_000;

const root = document.querySelector('[data-page="repositories"]');

/** Brings the row with the result; again while a busy server still answers with the state from before. */
async function bringResult(name, tries = TRIES) {
  await swapRegions([name, "head-actions", "history"]).catch(() => {}); // else the next look shows it
  const status = root.querySelector(`[data-swap="${name}"]`)?.dataset.status;
  if (status && !isFinal(status) && tries > 1) live.timers.set(() => bringResult(name, tries - 1), AGAIN_MS);
}

function bringResults(changes) {
  for (const { target, oldValue } of changes) {
    if (!isFinal(oldValue) && isFinal(target.dataset.status)) bringResult(target.dataset.swap);
  }
}

if (root && live) {
  new LiveRows(root, { regions: ["rows"], known: new Set() });
  new MutationObserver(bringResults).observe(root, { subtree: true, attributeFilter: ["data-status"], attributeOldValue: true });
}
