/** Workers, queue, health, rooms and delivery of the overview: what arrives is written into what the server rendered. */
import { count, duration, measured, plural, rateNumber, UNKNOWN } from "/static/js/format.js";
import { find, setAttribute, setHidden, setIcon, setText } from "/static/js/hooks.js";

const BLOCK = 20;
const MOST_BLOCKS = 12;
const SVG = "http://www.w3.org/2000/svg";
const STATES = {
  idle: ["unsure", "Idle", ""], running: ["running", "Running", ""], draining: ["paused", "Draining", ""],
  silent: ["silent", "Silent", "warn"], stopped: ["stop", "Stopped", ""],
};
const short = (name) => name.split(":")[0];
const LIVING = new Set(["idle", "running", "draining"]);
const size = (bytes) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${(bytes / 1e6).toFixed(1)} MB`);

export class OverviewParts {
  #root;

  constructor(root) {
    this.#root = root;
  }

  showQueue(queue, workers, timestamp) {
    const now = Date.parse(timestamp);
    for (const [key, { waiting, oldest_at: oldest }] of Object.entries(queue.by_priority)) {
      const line = this.#root.querySelector(`[data-line="${key}"]`);
      setText(find(line, "line-waiting"), count(waiting));
      setText(find(line, "line-oldest"), oldest ? duration(Math.max(0, now - Date.parse(oldest))) : UNKNOWN);
      blocks(find(line, "line-blocks"), Math.min(waiting, MOST_BLOCKS));
    }
    if (workers) this.#showWorkers(workers, now);
  }

  /** Rows change in place. A worker that was started again takes the row of its last life; whoever else is new is counted. */
  #showWorkers(workers, now) {
    const { rows } = find(this.#root, "workers");
    const known = new Map(workers.map((each) => [each.name, each]));
    const listed = new Set([...rows].map((row) => row.dataset.worker));
    for (const row of rows) {
      const name = row.dataset.worker;
      let each = known.get(name);
      if (!each || each.state === "stopped") {
        const next = workers.find((other) => !listed.has(other.name) && other.state !== "stopped" && short(other.name) === short(name));
        if (next) {
          listed.add(next.name);
          row.dataset.worker = next.name;
          each = next;
        }
      }
      worker(row, each ?? { name, state: "stopped" }, now);
    }
    const counted = Object.keys(STATES).map((state) => [state, workers.filter((each) => each.state === state).length]);
    const words = counted.filter(([, number]) => number).map(([state, number]) => `${number} ${state}`);
    const newer = workers.filter((each) => !listed.has(each.name) && each.state !== "stopped").length;
    if (newer) words.push(`${newer} not listed yet`);
    setText(find(this.#root, "workers-words"), words.join(", ") || "none has been heard of");
  }

  showMetrics(metrics) {
    for (const [part, [icon, ink]] of Object.entries(health(metrics))) {
      const place = this.#root.querySelector(`[data-part="${part}"] [data-part-ink]`);
      setIcon(place, icon);
      setAttribute(place, "class", `line ink-${ink}`);
    }
    setText(find(this.#root, "feeds"), Number.isInteger(metrics.users) ? plural(metrics.users, "personal feed") : "Personal feeds");
    this.#showRooms(metrics.top_rooms ?? [], metrics.rooms);
  }

  /** Rows stay: what is watched since the page opened is counted as other tasks. */
  #showRooms(rooms, total) {
    const { rows } = find(this.#root, "rooms");
    const known = new Map(rooms.map((room) => [room.task_id, room]));
    for (const row of rows) roomRow(row, known.get(row.dataset.room) ?? { members: 0, events_per_s: 0 });
    const shown = [...rows].filter((row) => known.has(row.dataset.room)).length;
    setText(find(this.#root, "rooms-other"), Number.isInteger(total) ? count(Math.max(0, total - shown)) : "unknown");
  }
}

function health({ database, redis, workers, web_processes: web, workers_by_state: states }) {
  const look = (isWell, isIll) => (isWell ? ["completed", "ok"] : isIll ? ["failed", "fail"] : ["unsure", "quiet"]);
  return {
    database: look(database === "ok", Boolean(database)), redis: look(redis === "ok", Boolean(redis)),
    workers: states?.silent ? ["silent", "warn"] : look(workers > 0, workers === 0), web: look(web > 0, web === 0),
  };
}

function roomRow(row, { members, events_per_s: rate }) {
  setText(find(row, "room-members"), count(members));
  setText(find(row, "room-rate"), rate ? rateNumber(rate) : "0");
}

function worker(row, { name, state, task = null, cpu_percent: cpu = null, memory_bytes: memory = null, seen_at: seen = null }, now) {
  const [icon, word, ink] = STATES[state] ?? ["unsure", state, ""];
  const nothing = state === "stopped" ? UNKNOWN : "unknown";
  const lives = LIVING.has(state);
  const badge = find(row, "worker-badge");
  setAttribute(badge, "data-state", state);
  setIcon(badge, icon);
  setText(find(row, "worker-word"), word);
  setAttribute(find(row, "worker-name"), "title", name);
  const link = find(row, "worker-task");
  setHidden(link, !task);
  setHidden(find(row, "worker-idle"), Boolean(task));
  setAttribute(link, "href", task && `/tasks/${encodeURIComponent(task.task_id)}`);
  setText(link, task?.title ?? "");
  setText(find(row, "worker-cpu"), lives && cpu !== null ? `${Math.round(cpu)} %` : nothing);
  setText(find(row, "worker-memory"), lives && memory ? size(memory) : nothing);
  setText(find(row, "worker-heard"), !seen || state === "stopped" ? UNKNOWN : measured(Math.max(0, now - Date.parse(seen))));
  setAttribute(find(row, "worker-heard"), "class", `num${ink === "warn" ? " ink-warn" : ""}`);
}

function blocks(svg, wanted) {
  const rects = findRects(svg);
  for (const extra of rects.slice(wanted)) extra.remove();
  for (let place = rects.length; place < wanted; place += 1) {
    const rect = document.createElementNS(SVG, "rect");
    for (const [name, value] of Object.entries({ x: place * BLOCK, width: 16, height: 16, rx: 3 })) rect.setAttribute(name, value);
    svg.append(rect);
  }
}

const findRects = (svg) => [...svg.querySelectorAll("rect")];
