/** Registered repositories: a last scan's row changes in place; when it ends, its result and history come in. */
import { live } from "./live.js";
import { LiveRows } from "./live_rows.js";
import { swapRegions } from "./swap.js";

const ENDS = new Set(["success", "failed", "cancelled"]);

const root = document.querySelector('[data-page="repositories"]');

/** The server stores an end before it tells it, so what is fetched now is the result. */
function ended({ task_id: taskId, status }) {
  const row = ENDS.has(status) && taskId && root.querySelector(`[data-task="${CSS.escape(taskId)}"]`);
  if (row) swapRegions([row.dataset.swap, "head-actions", "history"]).catch(() => {}); // else the next look shows it
}

if (root && live) {
  new LiveRows(root, { regions: ["rows"], known: new Set() });
  live.connection.on("task_update", ({ data } = {}) => ended(data ?? {}));
}
