/** People: who runs how much is brought anew when a task begins or ends; the forms at the side are left alone. */
import { live } from "/static/js/live.js";
import { swapRegions } from "/static/js/swap.js";

const AT_MOST_EVERY_MS = 3_000;
const root = document.querySelector('[data-page="people"]');
const states = new Map();
const MOST_KNOWN = 5_000;
let waits = false;

function bringSoon() {
  if (waits) return;
  waits = true;
  live.timers.set(async () => {
    await swapRegions(["count", "rows"]).catch(() => {}); // the next change tries again
    waits = false;
  }, AT_MOST_EVERY_MS);
}

/** Progress alone changes nothing here. */
function noticeJob({ job }) {
  const before = states.get(job.task_id);
  if (before === job.status) return;
  if (states.size >= MOST_KNOWN) states.clear();
  states.set(job.task_id, job.status);
  if (before || job.status !== "running" || !job.progress_percent) bringSoon();
}

if (root && live && location.pathname !== "/admin/people/new") {
  live.connection.on("job_update", noticeJob);
  live.connection.on("audit_update", ({ entry }) => entry.subject.startsWith("user:") && bringSoon());
  live.connection.onOpen(() => live.connection.request("join_admin_dashboard").catch(() => {}));
}
