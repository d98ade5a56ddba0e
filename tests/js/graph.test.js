import { ceiling, compact, fiveTimes, momentLabel, timeLabel, withHoles } from "/static/js/graph_scale.js";
import { Graph } from "/static/js/graph.js";
import { equal, ok, test } from "./harness.js";

const NOON = Date.UTC(2026, 10, 21, 12) / 1000;

test("H7", "a graph's top is round, and so is its middle", () => {
  equal([0.3, 7, 11, 13, 47, 51, 81, 101, 1530].map((top) => ceiling(top)), [0.3, 8, 12, 16, 60, 60, 100, 120, 1600]);
  equal([0, 1, 3, 5, 11, 25].map((top) => ceiling(top, { whole: true })), [2, 2, 4, 6, 12, 30]);
  equal(ceiling(0), 1, "nothing at all");
  for (const top of [1, 2, 7, 99, 100, 12_345]) ok(Number.isInteger(ceiling(top, { whole: true }) / 2), `half of ${top}'s`);
});

test("H7", "labels beside a graph are short, and times are UTC", () => {
  equal([0, 0.5, 12, 200, 1000, 1500, 12_000, 1.5e6, 2e9].map(compact),
    ["0", "0.5", "12", "200", "1k", "1.5k", "12k", "1.5M", "2G"]);
  equal(fiveTimes(0, 3600), [0, 900, 1800, 2700, 3600]);
  equal([timeLabel(NOON, 3600), timeLabel(NOON, 7 * 86_400)], ["12:00", "21 Nov"]);
  equal([momentLabel(NOON, 3600, 15), momentLabel(NOON, 86_400, 300)], ["12:00:00", "21 Nov 12:00"]);
});

test("H7", "no line joins across missing samples, and what nobody measured is marked, at both ends too", () => {
  const { times, columns, holes } = withHoles({
    times: [100, 110, 120, 160, 170], columns: [[1, 2, 3, 4, 5]], from: 50, to: 200, stepS: 10,
  });
  equal(times, [100, 110, 120, 155, 160, 170]);
  equal(columns, [[1, 2, 3, null, 4, 5]]);
  equal(holes, [[50, 100], [120, 160], [170, 200]]);
});

test("H7", "a sample that does not know the value is a hole, where nothing happened is none", () => {
  const samples = { times: [0, 10, 20, 30, 40], columns: [[1, null, null, null, 2]], from: 0, to: 40, stepS: 10 };
  equal(withHoles({ ...samples, isKnown: (row) => samples.columns[0][row] !== null }).holes, [[0, 40]]);
  equal(withHoles(samples).holes, []);
});

test("H7", "single runs are dots; each is read out with what became of it, and what is usual does not change that", async () => {
  const figure = document.createElement("figure");
  const area = document.createElement("div");
  area.dataset.graphArea = "";
  area.style.cssText = "width: 400px; height: 200px";
  figure.append(area);
  document.body.append(figure);
  const series = [{ key: "completed", name: "completed" }, { key: "failed", name: "failed" }];
  const graph = new Graph(figure, { title: "Runs", kind: "dots", series, write: (value) => `${value} s` });
  const runs = { from: 0, to: 7200, step_s: 7200, times: [600, 3600, 6600], series: { completed: [4, null, 6], failed: [null, 90, null] } };
  for (const band of [null, { low: 4, middle: 5, high: 6 }, { low: 4, middle: 5, high: 600 }]) {
    graph.setBand(band);
    graph.show(runs);
  }
  await new Promise((resolve) => requestAnimationFrame(resolve));
  const said = ["Home", "ArrowRight", "ArrowRight"].map((key) => {
    area.dispatchEvent(new KeyboardEvent("keydown", { key, cancelable: true }));
    return area.getAttribute("aria-valuetext");
  });
  figure.remove();
  equal(said, ["00:10: 4 s completed", "01:00: 90 s failed", "01:50: 6 s completed"]);
});
