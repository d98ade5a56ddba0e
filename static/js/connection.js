/**
 * The one Socket.IO connection of this tab: opens it, keeps to the reconnect schedule, and says how it stands.
 *
 * States: `live`, `catching_up` (connected, history still coming), `reconnecting` (try n of 10; n is 0 before the
 * first connection) and `lost` (no further try by itself). Knows no task and no page. Everything with an effect
 * (socket, timers, network events) is handed in, so that tests can use their own clock.
 */
import { MAX_ATTEMPTS, ReconnectSchedule } from "./reconnect_schedule.js";
import { realTimers } from "./timers.js";

const ATTEMPT_LIMIT_MS = 10_000;
const WAKE_GAP_MS = 250;
const SETTLED_MS = 1_000;
const FINAL_REFUSALS = new Set(["unauthenticated", "forbidden", "invalid_payload", "not_found"]);

export class RequestError extends Error {
  /** `isSilence`: the server did not answer at all, in time. */
  constructor({ code = "internal", message = "No answer.", retry_after_s = null } = {}, isSilence = false) {
    super(message);
    this.code = code;
    this.retryAfterS = retry_after_s;
    this.isSilence = isSilence;
  }
}

export class Connection {
  #socket;
  #timers;
  #schedule;
  #tryTimer = null;
  #limitTimer = null;
  #wakeTimer = null;
  #lastTryAt = -Infinity;
  #pending = new Set();
  #notice = null;
  #stateListeners = new Set();
  #brokeAt = null;
  #openedAt = 0;
  state = { name: "reconnecting", attempt: 0, of: MAX_ATTEMPTS, nextAt: null, since: null, reason: null };

  constructor(socket, { timers = realTimers, random = Math.random } = {}) {
    this.#socket = socket;
    this.#timers = timers;
    this.#schedule = new ReconnectSchedule(random);
    socket.on("connect", () => this.#connected());
    socket.on("connect_error", (error) => this.#refused(error));
    socket.on("disconnect", (reason) => this.#broken(reason));
    socket.on("error", (data) => this.#noticed(data));
  }

  get isConnected() {
    return this.#socket.connected;
  }

  /** How long there has been no live connection. */
  get downMs() {
    return this.#brokeAt === null ? 0 : this.#timers.now() - this.#brokeAt;
  }

  on(event, listener) {
    this.#socket.on(event, listener);
  }

  /** Called when the server has accepted us, before the new state is told: the moment to ask for history. */
  onOpen(listener) {
    this.#socket.on("connect", listener);
    return this;
  }

  onClose(listener) {
    this.#socket.on("disconnect", listener);
    return this;
  }

  onState(listener) {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  /** Opens now. Also what "Retry" does: the schedule starts again from its first step. */
  connect() {
    this.#brokeAt ??= this.#timers.now();
    this.#schedule.reset();
    this.#try();
  }

  /** The network or the tab came back: use the moment, but not over and over and not after a refusal. */
  wake() {
    const refused = this.state.name === "lost" && this.state.reason !== null;
    if (this.isConnected || refused) return;
    const tooSoonMs = this.#lastTryAt + WAKE_GAP_MS - this.#timers.now();
    this.#timers.clear(this.#wakeTimer);
    if (tooSoonMs > 0) {
      this.#wakeTimer = this.#timers.set(() => this.wake(), tooSoonMs);
      return;
    }
    if (this.state.name === "lost") this.#schedule.reset();
    this.#try();
  }

  /** The connection looks open and answers nothing: give it up and open another. */
  abandon() {
    if (!this.isConnected) return;
    this.#socket.disconnect();
    this.#retryLater(0, "It stopped answering.");
  }

  /** Sends a request and resolves with its acknowledgement; rejects with RequestError, after `limitMs` too. */
  async request(event, data, limitMs = ATTEMPT_LIMIT_MS) {
    if (!this.isConnected) throw new RequestError({ code: "unavailable", message: "Not connected." });
    let ack;
    try {
      ack = await this.#socket.timeout(limitMs).emitWithAck(event, data);
    } catch {
      throw new RequestError({ code: "unavailable", message: "The server did not answer in time." }, true);
    }
    if (ack?.ok !== true) throw new RequestError(ack?.error);
    return ack;
  }

  /** While any token is held, a live connection says "catching up". */
  setPending(token, isPending) {
    if (isPending) this.#pending.add(token);
    else this.#pending.delete(token);
    if (this.isConnected) this.#settle();
  }

  #stopTimers() {
    this.#timers.clear(this.#limitTimer);
    this.#timers.clear(this.#tryTimer);
    this.#tryTimer = null;
  }

  #connected() {
    this.#stopTimers();
    this.#schedule.reset();
    this.#notice = null;
    this.#openedAt = this.#timers.now();
    queueMicrotask(() => this.isConnected && this.#settle());
  }

  #settle() {
    const name = this.#pending.size ? "catching_up" : "live";
    if (name === "live") this.#brokeAt = null;
    this.#announce({ name, attempt: 0, nextAt: null, since: this.#brokeAt, reason: null });
  }

  #noticed(data) {
    if (data?.event === null || data?.event === undefined) this.#notice = data;
  }

  /** Who is sent away because their rights have changed may have got more: that is asked once, at once. */
  #broken(reason) {
    if (reason === "io client disconnect") return;
    if (this.#notice?.code === "unauthenticated" && this.#timers.now() - this.#openedAt > SETTLED_MS) this.#try();
    else if (FINAL_REFUSALS.has(this.#notice?.code)) this.#giveUp(this.#notice);
    else this.#retryLater((this.#notice?.retry_after_s ?? 0) * 1000, this.#notice?.message ?? null);
  }

  #refused(error) {
    const { code, message = error?.message, retry_after_s = 0 } = error?.data ?? {};
    if (FINAL_REFUSALS.has(code)) this.#giveUp({ code, message });
    else this.#retryLater(retry_after_s * 1000, code ? message : null);
  }

  #giveUp({ code, message }) {
    this.#stopTimers();
    this.#socket.disconnect();
    this.#brokeAt ??= this.#timers.now();
    this.#announce({ name: "lost", nextAt: null, since: this.#brokeAt, reason: { code, message } });
  }

  #retryLater(atLeastMs, why) {
    if (this.#tryTimer !== null) return;
    this.#stopTimers();
    this.#brokeAt ??= this.#timers.now();
    const delay = this.#schedule.next(atLeastMs);
    if (delay === null) {
      this.#announce({ name: "lost", nextAt: null, since: this.#brokeAt, reason: null });
      return;
    }
    this.#tryTimer = this.#timers.set(() => this.#try(), delay);
    this.#announce({ name: "reconnecting", attempt: this.#schedule.attempt, since: this.#brokeAt,
      nextAt: this.#timers.now() + delay, reason: why ? { code: null, message: why } : null });
  }

  #try() {
    if (this.isConnected) return;
    this.#stopTimers();
    this.#lastTryAt = this.#timers.now();
    this.#notice = null;
    this.#limitTimer = this.#timers.set(() => this.#unanswered(), ATTEMPT_LIMIT_MS);
    this.#announce({ ...this.state, name: "reconnecting", attempt: this.#schedule.attempt, nextAt: null, reason: null });
    this.#socket.disconnect().connect();
  }

  #unanswered() {
    if (this.isConnected) return;
    this.#socket.disconnect();
    this.#retryLater(0, null);
  }

  #announce(change) {
    this.state = { ...this.state, of: MAX_ATTEMPTS, ...change };
    for (const listener of this.#stateListeners) listener(this.state);
  }
}
