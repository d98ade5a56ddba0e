/** The graph on the page of one alert: the metric's history once, then each live sample. */
import { Graph, tableToggle } from "/static/js/graph.js";
import { find, setHidden, setText } from "/static/js/hooks.js";
import { getJson } from "/static/js/http.js";
import { live } from "/static/js/live.js";

const figure = document.querySelector("[data-alert-graph]");
const highest = (one, other) => Math.max(one, other);
const sum = (one, other) => one + other;

/** Where nothing waits, nothing has waited: that is known, and no hole. */
function waited({ queued_jobs: queued, oldest_queued_s: oldest }) {
  return queued === 0 ? 0 : (oldest ?? null);
}

function withWaits(history) {
  const { queued_jobs: queued, oldest_queued_s: oldest } = history.series;
  const waits = oldest.map((value, row) => waited({ queued_jobs: queued[row], oldest_queued_s: value }));
  return { ...history, series: { ...history.series, oldest_queued_s: waits } };
}

async function draw({ key, title, unit, range, limit, bars, ...rest }) {
  const series = bars ? [{ key: "finished", name: "completed", fold: sum }, { key: "failed", name: "failed", fold: sum }]
    : [{ key, name: title, fold: key === "disk_free" ? Math.min : highest }];
  const graph = new Graph(figure, { title, unit, series, limit, kind: bars ? "bars" : "line", ...rest });
  const history = await getJson(`/api/v1/admin/metrics/history?range=${range}`);
  graph.show(bars ? { ...history.counts, from: history.from, to: history.to } : withWaits(history));
  live?.connection.on("system_metrics_update", ({ metrics }) => {
    const at = Date.parse(metrics.sampled_at) / 1000;
    if (at > history.to) graph.extend(at, { ...metrics, oldest_queued_s: waited(metrics) });
    history.to = Math.max(history.to, at);
  });
  const button = document.querySelector("[data-alert-graph-table]");
  setHidden(button, false);
  tableToggle(button, [graph]);
}

if (figure) draw(JSON.parse(figure.dataset.alertGraph)).catch(() => setText(find(figure, "graph-note"), "The history could not be read."));
