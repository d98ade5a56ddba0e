import { initialState, reduce, refresh } from "/static/js/task_reducer.js";
import { equal, ok, test } from "./harness.js";

const event = (seq, fields = {}, epoch = "e1") => ({ task_id: "t", epoch, seq, timestamp: `2026-11-21T14:00:${String(seq % 60).padStart(2, "0")}.000Z`, ...fields });
const progress = (seq, percent, fields = {}, epoch = "e1") =>
  event(seq, { status: "running", attempt: 1, progress_percent: percent, ...fields }, epoch);

/** Applies [name, data] one after the other; answers the last state and all outcomes. */
function play(steps, state = initialState("t")) {
  const outcomes = [];
  for (const [name, data] of steps) {
    const result = reduce(state, name, data);
    state = result.state;
    outcomes.push(result.outcome);
  }
  return { state, outcomes };
}

test("A8 A10", "each event is applied once and in order; a hole is named and changes nothing", () => {
  const { state, outcomes } = play([
    ["progress_update", progress(4, 10, { snapshot: true })],
    ["progress_update", progress(5, 20)],
    ["progress_update", progress(5, 20)],
    ["progress_update", progress(3, 5)],
    ["task_log", event(8, { lines: [] })],
    ["task_retrying", event(8, { attempt: 2 })],
    ["progress_update", progress(6, 30)],
  ]);
  equal(outcomes, ["reset", "applied", "duplicate", "duplicate", "gap", "gap", "applied"]);
  equal([state.seq, state.task.progress_percent], [6, 30]);
});

test("A10 A17", "progress, a snapshot and an end are whole: what they overtook may lack; before log and retry nothing may", () => {
  const { outcomes, state } = play([
    ["progress_update", progress(1, 1, { snapshot: true })],
    ["progress_update", progress(9, 50)],
    ["task_log", event(12, { lines: [] })],
    ["task_log", event(10, { lines: [] })],
    ["progress_update", progress(40, 60, { snapshot: true })],
    ["task_retrying", event(42, { attempt: 2 })],
    ["progress_update", progress(9, 50)],
    ["task_completed", event(70, { results: {} })],
  ]);
  equal(outcomes, ["reset", "applied", "gap", "applied", "applied", "gap", "duplicate", "applied"]);
  equal([state.seq, state.task.status], [70, "completed"]);
});

test("A8", "a task without events yet is joined with its snapshot at 0", () => {
  const { state, outcomes } = play([["progress_update", progress(0, null, { snapshot: true, status: "queued", queue_position: 3 })]]);
  equal([outcomes, state.seq, state.task.queue_position], [["reset"], 0, 3]);
});

test("A11", "an event of another task changes nothing", () => {
  const { outcomes, state } = play([["progress_update", { ...progress(1, 1), task_id: "other" }], ["progress_update", null]]);
  equal([outcomes, state.seq], [["foreign", "foreign"], 0]);
});

test("A10 E2", "a new epoch starts over from its snapshot, and the old one is dead", () => {
  const { outcomes, state } = play([
    ["progress_update", progress(500, 40, { snapshot: true })],
    ["progress_update", progress(3, 41, {}, "e2")],
    ["progress_update", progress(2, 42, { snapshot: true }, "e2")],
    ["progress_update", progress(501, 41)],
    ["progress_update", progress(3, 43, {}, "e2")],
  ]);
  equal(outcomes, ["reset", "gap", "reset", "duplicate", "applied"]);
  equal([state.epoch, state.seq, state.task.progress_percent], ["e2", 3, 43]);
});

test("A2", "a percentage never falls within an attempt, whatever a rebuilt snapshot says", () => {
  const { state } = play([
    ["progress_update", progress(9, 61.4, { snapshot: true, done: 614 })],
    ["progress_update", progress(1, 58, { snapshot: true, done: 580 }, "e2")],
  ]);
  equal([state.task.progress_percent, state.task.done, state.epoch], [61.4, 614, "e2"]);
  const next = reduce(state, "progress_update", progress(2, 3, { attempt: 2 }, "e2")).state;
  equal([next.task.progress_percent, next.task.attempt], [3, 2]);
});

test("A4 A9", "the three ends are told apart, and only completed is 100", () => {
  const start = [["progress_update", progress(1, 61.4, { snapshot: true })]];
  const end = (name, fields) => play([...start, [name, event(2, fields)]]).state.task;
  equal(["completed", 100], [end("task_completed", { results: {} }).status, end("task_completed", {}).progress_percent]);
  const failed = end("task_error", { error: "The disk is full.", reference: "tr-1" });
  equal([failed.status, failed.progress_percent, failed.error], ["failed", 61.4, "The disk is full."]);
  const cancelled = end("task_cancelled", { reason: "wrong branch", forced: true });
  equal([cancelled.status, cancelled.progress_percent, cancelled.forced], ["cancelled", 61.4, true]);
});

test("A9", "a finished task is joined with its real end, from the tail or from the database", () => {
  equal(play([["task_error", event(7, { error: "no" })]]).state.task.status, "failed");
  const fromSql = play([["task_completed", { task_id: "t", epoch: null, seq: null, results: {} }]]);
  equal([fromSql.outcomes, fromSql.state.task.status], [["applied"], "completed"]);
});

test("A5", "nothing changes a final state any more", () => {
  const { state } = play([
    ["task_cancelled", event(5, {})],
    ["progress_update", progress(6, 90)],
    ["task_retrying", event(7, { attempt: 2, retry_at: "2026-11-21T14:09:00Z" })],
  ]);
  equal(state.task.status, "cancelled");
});

test("C8", "a retry waits with its reason and goes on as the next attempt", () => {
  const { state } = play([
    ["progress_update", progress(1, 22.7, { snapshot: true, max_attempts: 3 })],
    ["task_retrying", event(2, { attempt: 2, max_attempts: 3, retry_at: "2026-11-21T14:07:20.000Z", error: "connection closed" })],
  ]);
  equal([state.task.status, state.task.retry_error, state.task.progress_percent], ["queued", "connection closed", 22.7]);
  const next = reduce(state, "progress_update", progress(3, 0, { attempt: 2, retry_at: null })).state;
  equal([next.task.status, next.task.attempt, next.task.retry_at], ["running", 2, null]);
});

test("F4", "what was read over HTTP is shown, and the replay after it steps over it without going back", () => {
  let { state } = play([["progress_update", progress(5, 20, { snapshot: true })]]);
  state = refresh(state, { task_id: "t", epoch: "e1", seq: 30, status: "running", attempt: 1, progress_percent: 70, timestamp: "2026-11-21T14:01:00Z" });
  equal([state.seq, state.task.progress_percent], [5, 70]);
  const replayed = play([["progress_update", progress(12, 40)], ["progress_update", progress(31, 71)]], state);
  equal([replayed.state.seq, replayed.state.task.progress_percent], [31, 71]);
  const stale = refresh(replayed.state, { task_id: "t", epoch: null, seq: null, status: "running", attempt: 1, progress_percent: 60 });
  equal(stale.task.progress_percent, 71);
});

test("A8 A10 A17", "whatever is dropped, doubled and replayed: no event twice, none out of order, no line missing, the end is the end", () => {
  let seed = 42;
  const random = () => ((seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31);
  const moment = (seq) => {
    if (seq === 40) return ["task_completed", event(40, { results: {} })];
    return seq % 4 === 0 ? ["task_log", event(seq, { lines: [] })] : ["progress_update", progress(seq, (seq - 1) * 2)];
  };
  const history = Array.from({ length: 40 }, (_, i) => moment(i + 1));
  for (let round = 0; round < 300; round += 1) {
    let state = initialState("t");
    let [shown, at] = [-1, 0];
    const logged = [];
    while (state.seq < 39) {
      const [name, data] = history[at];
      const before = state.seq;
      const result = reduce(state, name, data);
      state = result.state;
      ok(state.seq >= before, "seq never falls");
      ok((state.task.progress_percent ?? 0) >= shown, "percent never falls");
      shown = state.task.progress_percent ?? shown;
      if (name === "task_log" && result.outcome === "applied") logged.push(data.seq);
      const dice = random();
      if (result.outcome === "gap") at = state.seq; // the re-join: from the position on
      else if (dice < 0.1) at = Math.max(0, at - Math.floor(random() * 5)); // doubled
      else if (dice < 0.25) at = lost(history, at, 1 + Math.floor(random() * 4));
      else at = Math.min(38, at + 1);
    }
    state = play([history[39]], state).state;
    equal([state.seq, state.task.progress_percent], [40, 100]);
    equal(logged, [4, 8, 12, 16, 20, 24, 28, 32, 36]);
  }
});

/** The next one after up to `many` progress events that do not arrive: lawful before progress, a hole before a line. */
function lost(history, at, many) {
  let next = at + 1;
  while (many-- > 0 && next < 38 && history[next][0] === "progress_update") next += 1;
  return Math.min(38, next);
}
