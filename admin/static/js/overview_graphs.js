/** The graphs of the overview and of its neighbours: their past comes in one request, then each live sample makes them longer. */
import { compact } from "/static/js/graph_scale.js";
import { Graph } from "/static/js/graph.js";
import { count } from "/static/js/format.js";
import { getJson } from "/static/js/http.js";

const AWAY_MS = 20_000;
const BYTES_PER_GB = 1e9;
export const highest = (one, other) => Math.max(one, other);
const sum = (one, other) => one + other;
const one = (key, name, fold) => [{ key, name, fold }];

export const OVERVIEW = {
  active_jobs: { title: "Tasks running", unit: "running", whole: true, series: one("active_jobs", "running", highest) },
  queued_jobs: { title: "Queued", unit: "waiting", whole: true, series: one("queued_jobs", "waiting", highest) },
  finished: { title: "Finished", kind: "bars", whole: true,
    series: [{ key: "finished", name: "completed", fold: sum }, { key: "failed", name: "failed", fold: sum }] },
  delivery: { title: "Delivery latency", unit: "ms", isQuiet: true,
    series: [{ key: "delivery_p50_ms", name: "median" }, { key: "delivery_p99_ms", name: "99th percentile", dashed: true, fold: highest }] },
  connections: { title: "Connections", unit: "open", whole: true, series: one("connections", "open", highest) },
  events_per_s: { title: "Events sent", unit: "a second", series: one("events_per_s", "a second"), write: (value) => (value < 100 ? value.toFixed(1) : count(value)) },
  loop_delay_max_ms: { title: "Web loop blocked", unit: "ms", series: one("loop_delay_max_ms", "ms at worst", highest) },
  disk_free: { title: "Disk free", unit: "GB", scale: 1 / BYTES_PER_GB, series: one("disk_free", "GB free", Math.min), write: (value) => (value < 100 ? value.toFixed(1) : compact(value)) },
};

export class OverviewGraphs {
  #shapes;
  #range;
  #graphs = new Map();
  #newest = 0;
  #lastAt = null;
  #isBringing = false;

  constructor(root, shapes = OVERVIEW) {
    this.#shapes = shapes;
    this.#range = root.dataset.range;
    const limits = JSON.parse(root.dataset.limits ?? "{}");
    for (const [key, shape] of Object.entries(shapes)) {
      const figure = root.querySelector(`[data-graph="${key}"]`);
      if (figure) this.#graphs.set(key, new Graph(figure, { ...shape, limit: limits[key] }));
    }
  }

  get all() {
    return [...this.#graphs.values()];
  }

  /** The past, anew. What cannot be had now is tried again with the next connection. */
  async bring() {
    if (this.#isBringing) return;
    this.#isBringing = true;
    try {
      const history = await getJson(`/api/v1/admin/metrics/history?range=${this.#range}`);
      this.#newest = history.to;
      const counts = { ...history.counts, from: history.from, to: history.to };
      for (const [key, graph] of this.#graphs) graph.show(this.#shapes[key].kind === "bars" ? counts : history);
      this.#lastAt = history.to * 1000;
    } catch {
      this.#lastAt = null;
    } finally {
      this.#isBringing = false;
    }
  }

  /** Back from a broken connection: what was missed is fetched once, so that the hole is only what nobody measured. */
  catchUp(nowMs) {
    if (this.#lastAt === null || nowMs - this.#lastAt > AWAY_MS) this.bring();
  }

  extend(metrics) {
    const at = Date.parse(metrics.sampled_at) / 1000;
    if (at <= this.#newest) return;
    this.#newest = at;
    this.#lastAt = at * 1000;
    for (const graph of this.#graphs.values()) graph.extend(at, metrics);
  }
}
