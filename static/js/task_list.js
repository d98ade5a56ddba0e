/** The list of tasks: rows change in place, nothing sorts itself anew; newer tasks wait behind a link. */
import { live } from "./live.js";
import { LiveRows } from "./live_rows.js";

const root = document.querySelector('[data-page="tasks"]');
if (root && live) new LiveRows(root, { regions: ["rows"], known: new Set() });
