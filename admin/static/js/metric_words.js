/** The metrics in words, one text for each figure of the overview: what admin/metric_words.py says at first paint. */
import { count, duration, measured, percent, plural, rateNumber, UNKNOWN as NOTHING } from "/static/js/format.js";

const UNKNOWN = "unknown";
const GB = 1e9;
const FIGURES = {
  running: "active_jobs", queued: "queued_jobs", finished: "finished_last_hour", completed: "completed_today",
  failed: "failed_jobs", cancelled: "cancelled_today", connections: "connections", users: "users", rooms: "rooms",
  admins: "admins", web: "web_processes", slow: "slow_readers", peak: "connections_peak_today",
};
const SHARES = { success: "success_rate", error: "error_rate", cpu: "cpu_percent", memory: "memory_percent" };
const isMissing = (value) => value === null || value === undefined;
const known = (metrics, ...names) => names.every((name) => !isMissing(metrics[name]));
const number = (value) => (isMissing(value) ? UNKNOWN : count(value));
const share = (value) => (isMissing(value) ? UNKNOWN : percent(value));
const rate = (value) => (isMissing(value) ? UNKNOWN : value === 0 ? "0" : rateNumber(value));
const oneDigit = (value, unknown = UNKNOWN) => (isMissing(value) ? unknown : value > 0 && value < 10 ? value.toFixed(1) : count(value));
const gigabytes = (value) => (isMissing(value) ? UNKNOWN : value < 100 * GB ? (value / GB).toFixed(1) : count(value / GB));
const each = (names, metrics, write) => Object.fromEntries(Object.entries(names).map(([name, key]) => [name, write(metrics[key])]));

/** The text of each `data-figure`. `limit` is how many tasks may run at once. */
export function figures(metrics, limit = null) {
  return {
    ...each(FIGURES, metrics, number),
    ...each(SHARES, metrics, share),
    running_unit: slots(metrics, limit),
    queued_unit: waiting(metrics),
    finished_unit: known(metrics, "finished_last_hour") ? "in the last hour" : "",
    latency: oneDigit(metrics.delivery_p50_ms, NOTHING),
    latency_unit: known(metrics, "delivery_p50_ms") ? "ms median" : "nothing delivered for a minute",
    connections_unit: known(metrics, "connections", "connection_limit") ? `of ${number(metrics.connection_limit)} allowed` : "",
    events: rate(metrics.events_per_s),
    events_unit: known(metrics, "events_per_s") ? "a second" : "",
    loop: oneDigit(metrics.loop_delay_max_ms),
    loop_unit: known(metrics, "loop_delay_max_ms") ? "ms at worst" : "",
    disk: gigabytes(metrics.disk_free),
    disk_unit: known(metrics, "disk_free") ? `GB of ${gigabytes(metrics.disk_total)}` : "",
    average: known(metrics, "avg_processing_time_ms") ? measured(metrics.avg_processing_time_ms) : UNKNOWN,
    load: known(metrics, "system_load") ? metrics.system_load.toFixed(2) : UNKNOWN,
    database: state(metrics, "database"),
    redis: state(metrics, "redis"),
    workers: workers(metrics),
  };
}

function slots(metrics, limit) {
  if (!known(metrics, "active_jobs", "workers")) return isMissing(metrics.active_jobs) ? "" : "at once";
  const allowed = limit === null ? metrics.workers : Math.min(metrics.workers, limit);
  const free = Math.max(0, allowed - metrics.active_jobs);
  return free ? `and ${plural(free, "free slot")}` : "and no free slot";
}

function waiting(metrics) {
  if (isMissing(metrics.queued_jobs)) return "";
  const noun = metrics.queued_jobs === 1 ? "task" : "tasks";
  return isMissing(metrics.oldest_queued_s) ? noun : `${noun}, oldest ${duration(metrics.oldest_queued_s * 1000)}`;
}

function state(metrics, part) {
  if (metrics[part] !== "ok") return metrics[part] ? "unavailable" : UNKNOWN;
  const took = metrics[`${part}_ms`];
  return isMissing(took) ? "ok" : `${oneDigit(took)} ms`;
}

function workers(metrics) {
  if (!known(metrics, "workers", "workers_by_state")) return UNKNOWN;
  const missing = metrics.workers_by_state.silent ?? 0;
  return missing ? `${metrics.workers} of ${metrics.workers + missing}` : count(metrics.workers);
}
