/** The overview of the dashboard: joins the dashboard room and shows what arrives; asks for the graphs' past once. */
import { figures } from "./metric_words.js";
import { OverviewGraphs } from "./overview_graphs.js";
import { OverviewParts } from "./overview_parts.js";
import { tableToggle } from "/static/js/graph.js";
import { find, findAll, revealScripted, setAttribute, setIcon, setText } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";
import { clockTime, fullTime } from "/static/js/time.js";

const EVERY_S = 5;
const STALE_MS = 12_000;
const TURN_MS = 1000;

class Overview {
  #root;
  #graphs;
  #parts;
  #measuredAt = null;
  #unseen = null;

  constructor(root) {
    this.#root = root;
    this.#graphs = new OverviewGraphs(root);
    this.#parts = new OverviewParts(root);
    this.#measuredAt = document.querySelector("[data-measured-words]")?.dateTime ?? null;
    tableToggle(document.querySelector("[data-as-table]"), this.#graphs.all);
    revealScripted(document);
  }

  listen({ connection, clock, timers }) {
    connection.on("system_metrics_update", ({ metrics }) => this.#showMetrics(metrics));
    connection.on("queue_update", ({ queue, workers, timestamp }) => this.#parts.showQueue(queue, workers, timestamp));
    connection.onOpen(() => connection.request("join_admin_dashboard").catch(() => {}));
    connection.onState(({ name }) => name === "live" && this.#graphs.catchUp(clock.now()));
    document.addEventListener("visibilitychange", () => !document.hidden && this.#unseen && this.#write(this.#unseen));
    timers.every(() => this.#showAge(connection.state.name === "live", clock.now()), TURN_MS);
    this.#graphs.bring();
  }

  /** A hidden page keeps what arrives, and is written when somebody looks. */
  #showMetrics(metrics) {
    this.#graphs.extend(metrics);
    if (document.hidden) this.#unseen = metrics;
    else this.#write(metrics);
  }

  #write(metrics) {
    this.#unseen = null;
    const words = figures(metrics, Number(this.#root.dataset.slots));
    for (const cell of findAll(this.#root, "figure")) {
      if (cell.dataset.figure in words) setText(cell, words[cell.dataset.figure]);
    }
    this.#measuredAt = metrics.sampled_at;
    this.#parts.showMetrics(metrics);
  }

  /** How old the numbers are: once a second, and only while somebody looks. */
  #showAge(isLive, now) {
    if (document.hidden || !this.#measuredAt) return;
    const age = Math.max(0, now - Date.parse(this.#measuredAt));
    const isFresh = isLive && age < STALE_MS;
    const label = document.querySelector("[data-measured]");
    const words = find(label, "measured-words");
    setAttribute(label, "data-state", isFresh ? "live" : "asof");
    setIcon(label, isFresh ? "live" : "asof");
    setAttribute(words, "datetime", this.#measuredAt);
    setAttribute(words, "title", fullTime(this.#measuredAt));
    setText(words, isFresh ? `${Math.round(age / 1000)} s ago, every ${EVERY_S} s` : `at ${clockTime(this.#measuredAt)} UTC`);
  }
}

const root = document.querySelector('[data-page="admin"]');
if (root && live) new Overview(root).listen(live);
