/** Home: running tasks change in place, newer ones wait behind a link; counters are counted anew at each start and end. */
import { live } from "./live.js";
import { LiveRows } from "./live_rows.js";
import { swapRegions } from "./swap.js";

const COUNT_AGAIN_AFTER_MS = 1_000;

const root = document.querySelector('[data-page="home"]');
const ended = [...document.querySelectorAll("[data-task-ended]")].map((row) => row.dataset.taskEnded);
if (root && live) new LiveRows(root, { regions: ["rows", "counters"], known: new Set(ended) });

/** At most once a second, however many tasks start and end. */
function countAgain() {
  let planned = false;
  return () => {
    if (planned) return;
    planned = true;
    setTimeout(() => {
      planned = false;
      swapRegions(["counters", "running-summary", "coming"]).catch(() => {}); // the next start or end counts again
    }, COUNT_AGAIN_AFTER_MS);
  };
}

if (root && live) live.connection.on("task_update", countAgain());
