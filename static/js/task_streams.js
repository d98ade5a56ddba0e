/**
 * All tasks this tab follows, over its one connection: hands each event to the stream it belongs to, joins again after
 * a reconnect, and looks after tasks that have been silent. No DOM.
 */
import { TaskStream } from "./task_stream.js";

export const TASK_EVENTS = ["progress_update", "task_log", "task_retrying", "task_completed", "task_cancelled", "task_error"];
const CARE_EVERY_MS = 1_000;

export class TaskStreams {
  #streams = new Map();

  constructor(connection, { clock, timers, readLogOverHttp }) {
    this.connection = connection;
    this.options = { clock, timers };
    this.readLogOverHttp = readLogOverHttp;
    for (const name of TASK_EVENTS) connection.on(name, (data) => this.#streams.get(data?.task_id)?.receive(name, data));
    connection.onOpen(() => this.#joinAll()).onClose(() => this.#disconnected());
    timers.every(() => this.#care(), CARE_EVERY_MS);
  }

  /** The stream of a task, made at the first call. `initial` is the snapshot its page was rendered from. */
  of(taskId, initial = null) {
    let stream = this.#streams.get(taskId);
    if (!stream) {
      const readLog = (from, limit) => this.#readLog(taskId, from, limit);
      stream = new TaskStream(taskId, this.connection, { ...this.options, readLog, initial });
      this.#streams.set(taskId, stream);
    }
    return stream;
  }

  /** Those that may still change. */
  get active() {
    return [...this.#streams.values()].filter((stream) => !stream.isFinal && !stream.refusal);
  }

  get all() {
    return [...this.#streams.values()];
  }

  /** The computer slept or the network changed: check the line now, not at the next heartbeat. */
  wake() {
    for (const stream of this.active) stream.probe({ afterMs: 4_000 });
  }

  #joinAll() {
    for (const stream of this.all) {
      stream.join();
      stream.fetcher.hurry();
    }
  }

  #disconnected() {
    for (const stream of this.all) stream.disconnected();
  }

  #care() {
    for (const stream of this.active) if (stream.state.task.status === "running") stream.probe();
  }

  async #readLog(taskId, from, limit) {
    if (this.connection.state.name === "lost") return this.readLogOverHttp(taskId, { from, limit });
    return this.connection.request("get_task_log", { task_id: taskId, from_line: from, limit });
  }
}
