/** The smallest test runner that can run in a page: `test(requirements, sentence, body)`, then `run(sentence)`. */
const tests = new Map();

export function test(requirements, sentence, body) {
  if (tests.has(sentence)) throw new Error(`Two tests are called "${sentence}"`);
  tests.set(sentence, body);
}

/** Runs one test of the module that was imported; resolves to null or to what went wrong. */
export async function run(sentence) {
  try {
    await tests.get(sentence)();
    return null;
  } catch (error) {
    return error.stack || String(error);
  }
}

export function equal(actual, expected, what = "value") {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (a !== b) throw new Error(`${what}: expected ${b}, got ${a}`);
}

export function ok(condition, what) {
  if (!condition) throw new Error(what);
}

/** Timers that move only when told to. Also lets pending promises run. */
export class FakeTimers {
  #tasks = [];
  #time = 1_000_000;
  #id = 0;

  now = () => this.#time;

  set = (fn, ms) => {
    this.#id += 1;
    this.#tasks.push({ id: this.#id, at: this.#time + ms, fn });
    return this.#id;
  };

  every = (fn, ms) => {
    const again = () => {
      fn();
      task.at = this.#time + ms;
      this.#tasks.push(task);
    };
    const task = { id: (this.#id += 1), at: this.#time + ms, fn: again };
    this.#tasks.push(task);
    return task.id;
  };

  clear = (id) => {
    this.#tasks = this.#tasks.filter((task) => task.id !== id);
  };

  /** Milliseconds until the next timer, or null. */
  get nextIn() {
    return this.#tasks.length ? Math.min(...this.#tasks.map((task) => task.at)) - this.#time : null;
  }

  async pass(ms) {
    const end = this.#time + ms;
    for (;;) {
      await settled();
      const due = this.#tasks.filter((task) => task.at <= end).sort((a, b) => a.at - b.at || a.id - b.id)[0];
      if (!due) break;
      this.#tasks = this.#tasks.filter((task) => task !== due);
      this.#time = Math.max(this.#time, due.at);
      due.fn();
    }
    this.#time = end;
    await settled();
  }
}

/** Lets every promise that can go on do so. */
export async function settled() {
  for (let i = 0; i < 20; i += 1) await Promise.resolve();
}

/** Stands in for the official client's socket: what is emitted is in `sent`, acks come from `answer`. */
export class FakeSocket {
  connected = false;
  tries = 0;
  sent = [];
  answer = () => ({ ok: true });
  #listeners = new Map();

  on(event, listener) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), listener]);
    return this;
  }

  connect() {
    this.tries += 1;
    return this;
  }

  disconnect() {
    const was = this.connected;
    this.connected = false;
    if (was) this.fire("disconnect", "io client disconnect");
    return this;
  }

  timeout() {
    return { emitWithAck: async (event, data) => {
      this.sent.push([event, data]);
      return this.answer(event, data);
    } };
  }

  fire(event, ...data) {
    if (event === "connect") this.connected = true;
    if (event === "disconnect") this.connected = false;
    for (const listener of this.#listeners.get(event) ?? []) listener(...data);
  }
}
