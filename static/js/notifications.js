/**
 * This person's inbox as this tab knows it: how much is unread, what came, what was read elsewhere. No DOM.
 *
 * One rule: of two counts, the one with the higher revision is newer. `connected` tells the count of that moment, which
 * holds unless something newer has come over this connection already.
 */
import { getJson, postJson } from "./http.js";

const URL = "/api/v1/notifications";

export class Inbox {
  #revision = 0;
  #listeners = new Set();
  #arrivals = new Set();

  constructor(connection, unread) {
    this.connection = connection;
    this.unread = unread;
    connection.onOpen(() => (this.#revision = 0));
    connection.on("connected", ({ unread_count: count }) => this.#revision === 0 && this.#set(count));
    connection.on("live_status", ({ live }) => live && this.refresh());
    connection.on("notification", (notice) => this.#arrived(notice));
    connection.on("inbox_update", (change) => this.#changed(change));
  }

  /** `listener(change)`: the count changed; `change` is what was read or marked as unread, if that is why. */
  onChange(listener) {
    this.#listeners.add(listener);
  }

  /** `listener(notice)`: something new came, after the count was set. */
  onArrival(listener) {
    this.#arrivals.add(listener);
  }

  newest(limit) {
    return this.#list(limit);
  }

  /** One request, for a moment after which events may be missing. */
  refresh() {
    return this.#list(1).catch(() => {}); // the next event or connection tells
  }

  /** Tells the server; all tabs, this one too, hear of it as `inbox_update`. Goes on when the page is left. */
  async mark(what) {
    const answer = await postJson(`${URL}/read`, what, {}, { keepalive: true });
    this.#learn(answer, { ids: null, up_to: null, read: true, ...what });
    return answer;
  }

  async #list(limit) {
    const before = this.#revision;
    const answer = await getJson(`${URL}?limit=${limit}`);
    if (this.#revision === before) this.#set(answer.unread_count);
    return answer.items;
  }

  #arrived(notice) {
    this.#learn(notice, null);
    for (const listener of this.#arrivals) listener(notice);
  }

  #changed(change) {
    this.#learn(change, change);
  }

  #learn({ unread_count: count, revision }, change) {
    const isOld = typeof revision === "number" && revision <= this.#revision;
    if (typeof revision === "number" && !isOld) this.#revision = revision;
    this.#set(isOld ? this.unread : count, change);
  }

  #set(count, change = null) {
    if (typeof count === "number") this.unread = count;
    for (const listener of this.#listeners) listener(change);
  }
}

/** Whether a change of the inbox is about this notification. */
export function concerns(change, id) {
  return change.ids ? change.ids.includes(id) : change.all === true || id <= change.up_to;
}
