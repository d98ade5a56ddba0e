/** The list of all jobs: rows that live, ticks and keys, and orders that wait for six seconds before they are sent. */
import { find, revealScripted } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";
import { JobOrders } from "./job_orders.js";
import { JobRows } from "./job_rows.js";
import { JobSelection } from "./job_selection.js";
import { JobKeys } from "./job_keys.js";

const root = document.querySelector('[data-page="admin-jobs"]');
if (root) {
  revealScripted(root);
  const rows = live ? new JobRows(root) : null;
  const bar = find(root, "order");
  if (bar) {
    const selection = new JobSelection(root, bar, (row) => rows?.jobOf(row)?.status ?? row.dataset.status);
    const orders = new JobOrders(root, bar, selection);
    rows?.onChange(() => selection.paint());
    new JobKeys(root, selection, orders);
  }
}
