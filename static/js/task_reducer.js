/**
 * What a task looks like after one more event: pure, without socket, clock or page.
 *
 * `seq` and `epoch` are the position in the live tail. Within an epoch an event is applied once and in order. Progress
 * and an end hold the whole state, so what they overtook may lack: a replay and a slow reader get only the newest.
 * A hole before any other event is answered with "gap" and changes nothing, so that the caller can ask for what lacks.
 */

export const FINAL_STATUS = { task_completed: "completed", task_error: "failed", task_cancelled: "cancelled" };
const FINAL = new Set(Object.values(FINAL_STATUS));
const POSITION_FIELDS = new Set(["epoch", "seq", "timestamp", "snapshot"]);

export const isFinal = (status) => FINAL.has(status);

export function initialState(taskId, snapshot = null) {
  const state = { taskId, epoch: null, seq: 0, shownSeq: -1, retired: [], task: { task_id: taskId }, at: null };
  return snapshot ? reduce(state, "progress_update", { ...snapshot, snapshot: true }).state : state;
}

/** Answers `{state, outcome}`; outcome is "applied", "reset", "duplicate", "gap" or "foreign". */
export function reduce(state, name, data) {
  if (data?.task_id !== state.taskId) return { state, outcome: "foreign" };
  const verdict = place(state, name, data);
  if (verdict === "duplicate" || verdict === "gap") return { state, outcome: verdict };
  const placed = { ...state, ...position(state, data, verdict) };
  return { state: { ...placed, ...content(placed, name, data) }, outcome: verdict };
}

/** A state read over HTTP while there is no connection: shown, but no step in the live tail. */
export function refresh(state, snapshot) {
  if (snapshot?.task_id !== state.taskId || isBehind(state.task, snapshot)) return state;
  const sameTail = snapshot.epoch !== null && snapshot.epoch === state.epoch;
  const shownSeq = sameTail ? Math.max(state.shownSeq, snapshot.seq ?? 0) : state.shownSeq;
  return { ...state, shownSeq, task: { ...state.task, ...fields(snapshot) }, at: snapshot.timestamp ?? state.at };
}

function place(state, name, data) {
  const starts = data.snapshot === true || name in FINAL_STATUS;
  if (!Number.isInteger(data.seq)) return starts && !isFinal(state.task.status) ? "applied" : "duplicate";
  if (state.retired.includes(data.epoch)) return "duplicate";
  if (data.epoch !== state.epoch) return starts || state.epoch === null ? "reset" : "gap";
  if (data.seq <= state.seq) return "duplicate";
  return data.seq === state.seq + 1 || starts || name === "progress_update" ? "applied" : "gap";
}

function position(state, data, verdict) {
  if (!Number.isInteger(data.seq)) return {};
  if (verdict !== "reset") return { seq: data.seq };
  const retired = state.epoch === null ? state.retired : [...state.retired, state.epoch].slice(-8);
  return { epoch: data.epoch, seq: data.seq, shownSeq: -1, retired };
}

function content(state, name, data) {
  const at = data.timestamp ?? state.at;
  if (name === "task_log") return { at };
  if (name === "task_retrying") return { at, task: retrying(state.task, data) };
  if (name in FINAL_STATUS) return { at, task: finished(state.task, name, data) };
  const overtaken = Number.isInteger(data.seq) && data.seq <= state.shownSeq;
  if (overtaken || isBehind(state.task, data)) return { at };
  return { at, task: { ...state.task, ...fields(data) } };
}

/** Never back: not to an earlier attempt, not to a lower percentage of the same one, not out of a final state. */
function isBehind(task, incoming) {
  if (isFinal(task.status)) return true;
  const [attempt, next] = [task.attempt ?? 0, incoming.attempt ?? 0];
  if (next !== attempt || isFinal(incoming.status)) return next < attempt;
  return (incoming.progress_percent ?? Infinity) < (task.progress_percent ?? -Infinity);
}

function retrying(task, data) {
  if (isFinal(task.status)) return task;
  const { attempt, max_attempts, retry_at, error } = data;
  return { ...task, status: "queued", retry_at, retry_error: error, retry_attempt: attempt,
    max_attempts: max_attempts ?? task.max_attempts };
}

function finished(task, name, data) {
  const status = FINAL_STATUS[name];
  const done = status === "completed" ? { progress_percent: 100 } : {};
  return { ...task, ...fields(data), ...done, status, retry_at: null, cancel_requested: task.cancel_requested ?? false,
    finished_at: data.finished_at ?? data.timestamp ?? null };
}

function fields(data) {
  return Object.fromEntries(Object.entries(data).filter(([key]) => !POSITION_FIELDS.has(key)));
}
