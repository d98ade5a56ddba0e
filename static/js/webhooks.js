/** Webhooks and mail: what is shown of them is brought anew whenever one of their deliveries was tried. */
import { live } from "./live.js";
import { swapRegions } from "./swap.js";

const SOON_MS = 300;
const root = document.querySelector('[data-page="webhooks"]');
let waits = false;

function bringSoon() {
  if (waits) return;
  waits = true;
  live.timers.set(async () => {
    waits = false;
    await swapRegions(root.dataset.liveRegions.split(" ")).catch(() => {}); // the next try tries again
  }, SOON_MS);
}

if (root && live) {
  const mine = root.dataset.webhook;
  live.connection.on("delivery_update", (update) => (!mine || update?.webhook_id === mine) && bringSoon());
  let wasLive = true;
  live.connection.onState((state) => {
    if (state.name === "live" && !wasLive) bringSoon();
    wasLive = state.name === "live";
  });
}
