/** How one job has been doing, drawn: one request at load, and one after a task of this job has ended. */
import { measured, plural } from "./format.js";
import { Graph, tableToggle } from "./graph.js";
import { getJson } from "./http.js";
import { live } from "./live.js";
import { swapRegions } from "./swap.js";

const SOON_MS = 1_000;
const DAY_S = 86_400;
const ENDS = new Set(["success", "failed", "cancelled"]);
const root = document.querySelector('[data-page="job-statistics"]');
const UNIT_MS = { seconds: 1_000, minutes: 60_000, hours: 3_600_000 };
const unitMs = UNIT_MS[root?.dataset.unit] ?? UNIT_MS.seconds;
const seconds = (when) => Date.parse(when) / 1000;

const TOOK = {
  title: "How long the last runs took", kind: "dots", unit: "", write: (value) => measured(value * unitMs),
  series: [{ key: "completed", name: "completed" }, { key: "failed", name: "failed" }],
};
const DAYS = {
  title: "Ended by day", kind: "bars", unit: "", whole: true,
  series: [{ key: "completed", name: "completed" }, { key: "failed", name: "failed" }],
};

class Statistics {
  #took;
  #days;
  #waits = false;

  constructor() {
    this.#took = new Graph(root.querySelector('[data-graph="took"]'), TOOK);
    this.#days = new Graph(root.querySelector('[data-graph="days"]'), DAYS);
    const button = root.querySelector("[data-as-table]");
    button.hidden = false;
    tableToggle(button, [this.#took, this.#days]);
  }

  async bring() {
    const found = await getJson(root.dataset.url);
    this.#drawTook(found);
    this.#drawDays(found);
  }

  bringSoon() {
    if (this.#waits) return;
    this.#waits = true;
    live.timers.set(async () => {
      this.#waits = false;
      await Promise.all([this.bring(), swapRegions(["stats", "causes", "runs", "days"])]).catch(() => {}); // the next end tries again
    }, SOON_MS);
  }

  #drawTook({ runs, duration_ms: took }) {
    const times = runs.map((run) => seconds(run.finished_at));
    const [from, to] = [times.at(0) ?? 0, times.at(-1) ?? 1];
    const aside = Math.max(60, (to - from) * 0.02);
    const of = (status) => runs.map((run) => (run.status === status && run.duration_ms !== null ? run.duration_ms / unitMs : null));
    this.#took.setBand(took.median === null ? null : { low: took.low / unitMs, middle: took.median / unitMs, high: took.high / unitMs });
    this.#took.setNote(took.median === null ? "" : `median ${measured(took.median)}, nine of ten ${measured(took.low)} – ${measured(took.high)}`);
    this.#took.show({ from: from - aside, to: to + aside, step_s: to - from + 2 * aside, times, series: { completed: of("completed"), failed: of("failed") } });
  }

  #drawDays({ days, failed }) {
    const times = days.map(({ day }) => seconds(`${day}T00:00:00Z`));
    this.#days.setNote(plural(failed, "failure"));
    this.#days.show({ from: times[0], to: times.at(-1) + DAY_S, step_s: DAY_S, times,
      series: { completed: days.map((day) => day.completed), failed: days.map((day) => day.failed) } });
  }
}

if (root) {
  const statistics = new Statistics();
  statistics.bring().catch(() => {}); // the numbers stand on the page
  live?.connection.on("task_update", ({ data } = {}) => data?.kind === root.dataset.kind && ENDS.has(data.status) && statistics.bringSoon());
}
