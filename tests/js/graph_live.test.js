import { Graph } from "/static/js/graph.js";
import { equal, ok, test } from "./harness.js";

function place() {
  const figure = document.createElement("figure");
  const area = document.createElement("div");
  area.dataset.graphArea = "";
  area.style.cssText = "width: 300px; height: 100px";
  figure.append(area);
  document.body.append(figure);
  return { figure, area };
}

test("H7", "a graph that is live for a day keeps one range, and each step the highest of its samples", () => {
  const { figure, area } = place();
  const fold = (one, other) => Math.max(one, other);
  const graph = new Graph(figure, { title: "Queued", series: [{ key: "queued", name: "queued", fold }] });
  graph.show({ from: 0, to: 3600, step_s: 15, times: [3585, 3600], series: { queued: [1, 1] } });
  for (let at = 3605; at < 3600 + 3 * 3600; at += 5) graph.extend(at, { queued: at % 15 === 5 ? 9 : 2 });
  const last = Number(area.getAttribute("aria-valuemax"));
  ok(last > 230 && last < 245, `${last} steps are an hour`);
  ok(area.getAttribute("aria-valuetext").endsWith(": 9"), area.getAttribute("aria-valuetext"));
  equal(area.querySelectorAll("canvas").length, 1);
  figure.remove();
});

test("H7", "what nobody knows live is a hole and ends with the next known value", () => {
  const { figure, area } = place();
  const graph = new Graph(figure, { title: "Connections", series: [{ key: "open", name: "open" }] });
  graph.show({ from: 0, to: 60, step_s: 15, times: [0, 15, 30, 45, 60], series: { open: [5, 5, 5, 5, 5] } });
  for (let at = 75; at <= 120; at += 15) graph.extend(at, { open: null });
  equal(area.getAttribute("aria-valuetext").split(": ")[1], "–");
  graph.extend(135, { open: 7 });
  equal(area.getAttribute("aria-valuetext").split(": ")[1], "7");
  figure.remove();
});
