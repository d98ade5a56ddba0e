/**
 * One task, followed over the connection: joins with the position it has, applies each event once, asks again for
 * what lacks, and knows how true its state is. Any number of listeners; no DOM.
 */
import { LogBook } from "./log_book.js";
import { LogFetcher } from "./log_fetcher.js";
import { initialState, isFinal, reduce, refresh } from "./task_reducer.js";

const REJOIN_GAP_MS = 5_000;
const JOIN_RETRY_MS = 2_000;
const SILENT_PROBE_MS = 10_000;

export class TaskStream {
  #connection;
  #timers;
  #listeners = new Set();
  #joining = false;
  #target = 0;
  #lastRejoinAt = -Infinity;
  #retryTimer = null;
  #probedAt = -Infinity;
  isJoined = false;

  /** `initial` is the snapshot the page was rendered from, or null. */
  constructor(taskId, connection, { clock, timers, readLog, initial = null }) {
    this.taskId = taskId;
    this.clock = clock;
    this.#connection = connection;
    this.#timers = timers;
    this.state = initialState(taskId, initial);
    this.log = new LogBook();
    this.log.learnTotal(initial?.log_total);
    this.fetcher = new LogFetcher(this.log, readLog, { timers, changed: () => this.#tell("log") });
    /** Where the shown state comes from ("page", "live", "http"), and when it was heard, by the server's clock. */
    this.source = "page";
    this.heardAt = Date.parse(this.state.at ?? "") || clock.now();
    this.refusal = null;
    /** How many events the last join brought in after the known position. */
    this.replayed = 0;
  }

  get isFinal() {
    return isFinal(this.state.task.status);
  }

  get isCatchingUp() {
    return this.#joining || (this.isJoined && this.state.seq < this.#target && !this.isFinal);
  }

  /** Events still to come of a replay, as far as the server has told. */
  get behind() {
    return Math.max(0, this.#target - this.state.seq);
  }

  subscribe(listener) {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) {
      this.fetcher.resume();
      this.join();
    }
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.leave();
    };
  }

  /** Called at each new connection, too. */
  async join() {
    if (this.#joining || this.refusal || !this.#connection.isConnected || !this.#listeners.size) return;
    if (this.isFinal) return;
    this.#joining = true;
    this.#showPending();
    const known = this.state.epoch === null ? {} : { last_seq: this.state.seq, epoch: this.state.epoch };
    try {
      const ack = await this.#connection.request("join_task", { task_id: this.taskId, ...known });
      this.isJoined = true;
      this.replayed = ack.recovered === true ? ack.replayed ?? 0 : 0;
      if (ack.recovered !== true) this.fetcher.checkEnd();
      this.#target = ack.epoch === this.state.epoch || ack.recovered === false ? ack.seq ?? 0 : 0;
    } catch (error) {
      this.#joinRefused(error);
    } finally {
      this.#joining = false;
    }
    this.#showPending();
    this.#tell("freshness");
    this.fetcher.ensure();
  }

  leave() {
    this.#timers.clear(this.#retryTimer);
    this.fetcher.stop();
    if (this.isJoined) this.#connection.request("leave_task", { task_id: this.taskId }).catch(() => {});
    this.isJoined = false;
    this.#showPending();
  }

  disconnected() {
    this.isJoined = false;
    this.#target = 0;
    this.#timers.clear(this.#retryTimer);
    this.#tell("freshness");
  }

  receive(name, data) {
    if (name === "task_log") this.#takeLines(data);
    if (!this.isJoined && !this.#joining) return;
    const wasFinal = this.isFinal;
    const { state, outcome } = reduce(this.state, name, data);
    if (outcome === "gap") this.#rejoin();
    if (outcome !== "applied" && outcome !== "reset") return;
    this.state = state;
    this.#heard(data);
    if (data.snapshot === true || this.isFinal) this.log.forgetAbsent();
    if (Number.isInteger(data.log_total)) this.log.learnTotal(data.log_total);
    this.#showPending();
    this.#tell("task");
    if (this.isFinal && !wasFinal) this.#finish();
    else this.fetcher.ensure();
  }

  /** Whether the whole state is known, or only what the page's attributes tell. */
  get isWhole() {
    return this.state.epoch !== null || this.source !== "page";
  }

  /** What an acknowledged action of this page has changed. */
  learn(fields) {
    this.state = { ...this.state, task: { ...this.state.task, ...fields } };
    this.#tell("task");
  }

  /** A snapshot read over HTTP, by the labelled refresh or after an action of this page. */
  refreshed(snapshot) {
    const wasFinal = this.isFinal;
    this.state = refresh(this.state, snapshot);
    if (Number.isInteger(snapshot.log_total)) this.log.learnTotal(snapshot.log_total);
    if (!this.isJoined) this.source = "http";
    this.heardAt = this.clock.now();
    this.#tell("task");
    if (this.isFinal && !wasFinal) this.#finish();
  }

  /** Nothing heard for long: is it the worker or the line? An answer proves the line, none gives it up. */
  async probe({ afterMs = SILENT_PROBE_MS } = {}) {
    const [silentSince, now] = [Math.max(this.heardAt, this.#probedAt), this.clock.now()];
    if (this.isFinal || !this.isJoined || now - silentSince < afterMs) return;
    this.#probedAt = now;
    try {
      const ack = await this.#connection.request("get_task_status", { task_id: this.taskId }, 5_000);
      if (this.#isOvertakenBy(ack.task)) this.#rejoin();
    } catch (error) {
      if (error.isSilence) this.#connection.abandon();
    }
  }

  #isOvertakenBy(task) {
    const { epoch, seq } = this.state;
    return (isFinal(task?.status) && !this.isFinal) || task?.epoch !== epoch || task.seq > seq;
  }

  /** Asks for what lacks after the known position: at once, but not over and over. */
  #rejoin() {
    if (this.#joining) return;
    this.isJoined = false;
    const now = this.#timers.now();
    const wait = Math.max(0, this.#lastRejoinAt + REJOIN_GAP_MS - now);
    this.#lastRejoinAt = now + wait;
    if (wait) this.#retryTimer = this.#timers.set(() => this.join(), wait);
    else this.join();
  }

  /** No answer at all means that nothing will come over this connection, however alive it seems. */
  #joinRefused(error) {
    if (error.isSilence) return void this.#connection.abandon();
    const passing = ["rate_limited", "unavailable", "internal"].includes(error.code);
    if (!passing) this.refusal = { code: error.code, message: error.message };
    else if (this.#connection.isConnected) {
      const wait = (error.retryAfterS ?? 0) * 1000 || JOIN_RETRY_MS;
      this.#retryTimer = this.#timers.set(() => this.join(), wait);
    }
  }

  #takeLines(data) {
    const fresh = this.log.add(data?.task_id === this.taskId ? data.lines : []);
    if (fresh.length) this.#tell("log", fresh);
  }

  /** A live event is as fresh as its arrival; a snapshot only as fresh as the worker's last sign of life in it. */
  #heard(data) {
    const told = Date.parse(data.timestamp ?? "");
    const now = this.clock.now();
    const replayed = data.snapshot === true || this.isCatchingUp;
    this.heardAt = replayed && Number.isFinite(told) ? Math.min(told, now) : now;
    this.source = "live";
  }

  #finish() {
    this.#tell("final");
    this.fetcher.ensure();
    if (!this.isJoined) return;
    this.isJoined = false;
    this.#connection.request("leave_task", { task_id: this.taskId }).catch(() => {});
    this.#showPending();
  }

  #showPending() {
    this.#connection.setPending(this.taskId, this.isCatchingUp);
  }

  #tell(what, detail = null) {
    for (const listener of [...this.#listeners]) listener(this, what, detail);
  }
}
