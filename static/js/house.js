/**
 * The house's banner, live: as the page was made, then as `connected` and `server_status` tell. Waiting tasks on the page
 * learn what holds them. Admins get the button that ends it.
 */
import { hideBanner, showBanner } from "./banners.js";
import { houseBanner } from "./house_words.js";
import { postJson } from "./http.js";
import { live } from "./live.js";
import { showToast } from "./toasts.js";

const KEYS = ["paused", "maintenance", "kinds"];
const QUEUE = "/admin/queue";
const ACTS = {
  paused: () => postJson("/api/v1/admin/queue/resume"),
  maintenance: () => postJson("/api/v1/admin/maintenance", { on: false }),
};

export function watchHouse() {
  const slot = document.querySelector("[data-banner-slot]");
  if (!slot || !live) return;
  const known = JSON.parse(slot.dataset.serverStatus || "null");
  if (known) show(known);
  live.connection.on("connected", ({ server_status: status }) => status && learn(status));
  live.connection.on("server_status", learn);
}

function learn(status) {
  show(status);
  for (const stream of live.streams.all) {
    if (!stream.isFinal) stream.learn({ house: status });
  }
}

function show(status) {
  const banner = houseBanner(status, live.clock.now());
  for (const key of KEYS) if (key !== banner?.key) hideBanner(key);
  if (!banner) return;
  showBanner(banner.key, { tone: "warn", ...banner, actions: actions(banner) });
}

function actions({ key, act }) {
  if (document.body.dataset.userRole !== "admin") return [];
  const onClick = ACTS[key] ? () => end(key) : () => location.assign(QUEUE);
  return [{ text: act, onClick }];
}

async function end(key) {
  try {
    await ACTS[key]();
  } catch (error) {
    showToast({ tone: "fail", role: "alert", icon: "failed", title: "Nothing has changed", text: error.message });
  }
}
