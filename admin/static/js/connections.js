/** Connections: figures and graph are live by the dashboard room; the list stays as it was asked for, and says so. */
import { figures } from "./metric_words.js";
import { highest, OverviewGraphs } from "./overview_graphs.js";
import { tableToggle } from "/static/js/graph.js";
import { findAll, revealScripted, setText } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";

const SHAPES = { connections: { title: "Connections", unit: "open", whole: true, series: [{ key: "connections", name: "open", fold: highest }] } };
const root = document.querySelector('[data-page="connections"]');

if (root && live) {
  const { connection, clock } = live;
  const graphs = new OverviewGraphs(root, SHAPES);
  tableToggle(document.querySelector("[data-as-table]"), graphs.all);
  revealScripted(document);
  connection.on("system_metrics_update", ({ metrics }) => {
    const words = figures(metrics);
    for (const cell of findAll(root, "figure")) if (cell.dataset.figure in words) setText(cell, words[cell.dataset.figure]);
    graphs.extend(metrics);
  });
  connection.onOpen(() => connection.request("join_admin_dashboard").catch(() => {}));
  connection.onState(({ name }) => name === "live" && graphs.catchUp(clock.now()));
  graphs.bring();
}
