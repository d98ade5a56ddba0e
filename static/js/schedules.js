/** Schedules: the list and the chosen one are brought anew whenever one of their tasks begins or ends. */
import { live } from "./live.js";
import { swapRegions } from "./swap.js";

const SOON_MS = 300;
const root = document.querySelector('[data-page="schedules"]');
let waits = false;

function bringSoon() {
  if (waits) return;
  waits = true;
  live.timers.set(async () => {
    waits = false;
    await swapRegions(["count", "rows", "chosen"]).catch(() => {}); // the next change tries again
  }, SOON_MS);
}

if (root && live) {
  live.connection.on("task_update", (update) => update?.data?.schedule_id && bringSoon());
  let wasLive = true;
  live.connection.onState((state) => {
    if (state.name === "live" && !wasLive) bringSoon();
    wasLive = state.name === "live";
  });
}
