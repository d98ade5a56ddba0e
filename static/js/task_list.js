/** The list of tasks: rows change in place, nothing sorts itself anew; newer tasks wait behind a link. */
import { live } from "./live.js";
import { LiveRows } from "./live_rows.js";

const STATE_OF = { started: "running", success: "completed", failed: "failed", cancelled: "cancelled" };

/** Whether a task that the feed tells of belongs at the top of this list, as far as that can be told here. */
function belongs({ live: isLive, state, kind, schedule }, update) {
  return Boolean(isLive) && (!state || STATE_OF[update.status] === state) && (!kind || update.kind === kind)
    && (!schedule || update.schedule_id === schedule);
}

const root = document.querySelector('[data-page="tasks"]');
if (root && live) new LiveRows(root, { regions: ["rows"], known: new Set(), belongs: (update) => belongs(root.dataset, update) });
