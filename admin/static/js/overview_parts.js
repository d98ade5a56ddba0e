/** Workers, queue, health, rooms and delivery of the overview: what arrives is written into what the server rendered. */
import { count, duration, measured, plural, rateNumber, UNKNOWN } from "/static/js/format.js";
import { find, fromTemplate, setAttribute, setHidden, setIcon, setText } from "/static/js/hooks.js";

const BLOCK = 20;
const MOST_BLOCKS = 12;
const MOST_WORKERS = 24;
const MOST_ROOMS = 8;
const SVG = "http://www.w3.org/2000/svg";
const STATES = {
  idle: ["unsure", "Idle", ""], running: ["running", "Running", ""], draining: ["paused", "Draining", ""],
  silent: ["silent", "Silent", "warn"], stopped: ["stop", "Stopped", ""],
};
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

  /** Rows change in place; who is new comes last, and who has gone keeps its row and says so. */
  #showWorkers(workers, now) {
    const body = find(this.#root, "workers");
    const known = new Map(workers.map((worker) => [worker.name, worker]));
    for (const row of body.rows) if (!known.has(row.dataset.worker)) worker(row, { name: row.dataset.worker, state: "stopped" }, now);
    for (const each of workers) {
      let row = body.querySelector(`[data-worker="${CSS.escape(each.name)}"]`);
      if (!row && (each.state === "stopped" || body.rows.length >= MOST_WORKERS)) continue;
      if (!row) {
        row = fromTemplate("worker");
        row.dataset.worker = each.name;
        setText(find(row, "worker-name"), each.name.split(":")[0]);
        body.append(row);
      }
      worker(row, each, now);
    }
    setHidden(find(this.#root, "no-workers"), body.rows.length > 0);
    const counted = Object.keys(STATES).map((state) => [state, workers.filter((each) => each.state === state).length]);
    const words = counted.filter(([, number]) => number).map(([state, number]) => `${number} ${state}`);
    setText(find(this.#root, "workers-words"), words.join(", ") || "none has been heard of");
  }

  showMetrics(metrics) {
    for (const [part, [icon, ink]] of Object.entries(health(metrics))) {
      const place = this.#root.querySelector(`[data-part="${part}"] [data-part-ink]`);
      setIcon(place, icon);
      setAttribute(place, "class", `line ink-${ink}`);
    }
    setText(find(this.#root, "feeds"), Number.isInteger(metrics.users) ? plural(metrics.users, "personal feed") : "Personal feeds");
    this.#showRooms(metrics.top_rooms ?? []);
  }

  #showRooms(rooms) {
    const body = find(this.#root, "rooms");
    const known = new Map(rooms.map((room) => [room.task_id, room]));
    for (const row of body.rows) if (!known.has(row.dataset.room)) roomRow(row, { members: 0, events_per_s: 0 });
    for (const each of rooms) {
      let row = body.querySelector(`[data-room="${CSS.escape(each.task_id)}"]`);
      if (!row && body.rows.length >= MOST_ROOMS) continue;
      if (!row) {
        row = fromTemplate("room");
        row.dataset.room = each.task_id;
        const title = find(row, "room-title");
        title.href = `/tasks/${encodeURIComponent(each.task_id)}`;
        setText(title, each.title ?? `Task ${each.task_id.slice(0, 8)}`);
        body.append(row);
      }
      roomRow(row, each);
    }
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
