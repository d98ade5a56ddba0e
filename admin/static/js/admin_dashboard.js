/** The admin dashboard: joins the dashboard room and shows what arrives; asks nobody in between. */
import { count, percent } from "/static/js/format.js";
import { find, findAll, setHidden, setText } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";

const UNKNOWN = "unknown";
const FINAL = new Set(["completed", "failed", "cancelled"]);
const MAX_ROWS = 200;
const share = (value) => (value === null || value === undefined ? UNKNOWN : `${value.toFixed(1)} %`);
const number = (value) => (value === null || value === undefined ? UNKNOWN : count(value));
const gigabytes = (value) => (value === null || value === undefined ? UNKNOWN : `${(value / 1e9).toFixed(1)} GB`);
const SHOWN = { success_rate: share, cpu_percent: share, memory_percent: share, disk_free: gigabytes, redis: String, database: String };

const root = document.querySelector('[data-page="admin"]');

function showMetrics({ metrics, timestamp }) {
  for (const cell of findAll(root, "metric")) {
    const key = cell.dataset.metric;
    if (key in metrics) setText(cell, (SHOWN[key] ?? number)(metrics[key]));
  }
  const waiting = Object.entries(metrics.queued_by_priority ?? {}).filter(([, waits]) => waits);
  setText(root.querySelector('[data-metric-note="queued_jobs"]'), waiting.map(([priority, waits]) => `${waits} ${priority}`).join(", "));
  const time = find(root, "sampled");
  time.dateTime = timestamp;
  setText(time, `${timestamp.slice(11, 19)} UTC`);
}

/** Rows change in place; an ended job keeps its row, greyed by its word, until the page is opened again. */
function showJob({ job }) {
  const row = rowOf(job);
  if (!row) return;
  setText(find(row, "job-status"), job.cancel_requested && !FINAL.has(job.status) ? "cancelling" : job.status);
  setText(find(row, "job-title"), job.title);
  setText(find(row, "job-kind"), job.kind);
  if (job.owner) setText(find(row, "job-owner"), job.owner.username);
  setText(find(row, "job-priority"), job.priority);
  setText(find(row, "job-percent"), percent(job.progress_percent));
  setText(find(row, "job-worker"), job.worker ?? "–");
}

function rowOf(job) {
  const body = find(root, "jobs");
  const known = body.querySelector(`[data-job="${CSS.escape(job.task_id)}"]`);
  if (known || FINAL.has(job.status) || body.rows.length >= MAX_ROWS) return known;
  const row = find(root, "job-row").content.firstElementChild.cloneNode(true);
  row.dataset.job = job.task_id;
  find(row, "job-title").href = `/tasks/${encodeURIComponent(job.task_id)}`;
  body.append(row);
  setHidden(find(root, "no-jobs"), true);
  return row;
}

if (root && live) {
  live.connection.on("system_metrics_update", showMetrics);
  live.connection.on("job_update", showJob);
  live.connection.onOpen(() => live.connection.request("join_admin_dashboard").catch(() => setText(find(root, "sampled-note"), "; not live")));
}
