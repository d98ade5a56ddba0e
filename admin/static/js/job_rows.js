/**
 * Rows of all users' jobs that change in place. What `job_update` tells is kept per row, the newest only; rows in view
 * are painted at most once a frame, the others when they come into view. Jobs that are not on the page are counted.
 */
import { isKnown, measured, plural } from "/static/js/format.js";
import { paintSoon } from "/static/js/frame.js";
import { find, findAll, setAttribute, setHidden, setText } from "/static/js/hooks.js";
import { getDocument, getJson } from "/static/js/http.js";
import { live } from "/static/js/live.js";
import { paintTask } from "/static/js/task_painter.js";
import { isFinal } from "/static/js/task_reducer.js";
import { describe } from "/static/js/task_view.js";
import { clockTime, fullTime, since } from "/static/js/time.js";

const MOST_NEWER = 1_000;
const MOST_ROWS = 1_000;
const IDS_AT_ONCE = 50;
const BLIP_MS = 2_000;
const UNKNOWN = "–";

export class JobRows {
  #rows = new Map();
  #inView = new Set();
  #due = new Set();
  #newer = new Set();
  #listeners = new Set();
  #house = null;
  #lostAt = null;
  #paint = () => this.#paintDue();
  #observer = new IntersectionObserver((entries) => this.#seen(entries), { rootMargin: "80px" });

  constructor(root) {
    this.root = root;
    this.madeAt = Date.parse(root.dataset.madeAt);
    this.selection = JSON.parse(root.dataset.selection);
    this.#follow(findAll(root, "task"));
    live.connection.on("job_update", ({ job }) => this.#told(job));
    live.connection.on("server_status", (status) => this.#held(status));
    live.connection.on("connected", ({ server_status: status }) => status && this.#held(status));
    live.connection.onOpen(() => this.#join());
    live.connection.onClose(() => (this.#lostAt ??= live.clock.now()));
    live.connection.onState(() => this.#paintAll());
    live.timers.every(() => !document.hidden && this.#paintAll(), 1_000);
    find(root, "more")?.addEventListener("click", (event) => this.#showMore(event));
  }

  jobOf(row) {
    return this.#rows.get(row.dataset.task)?.job;
  }

  onChange(listener) {
    this.#listeners.add(listener);
  }

  #follow(rows) {
    for (const row of rows) {
      const job = JSON.parse(row.dataset.job);
      row.removeAttribute("data-job");
      this.#rows.set(row.dataset.task, { row, job });
      this.#observer.observe(row);
    }
  }

  /** What changed between the page and this moment, or while there was no connection, is read once. */
  async #join() {
    try {
      await live.connection.request("join_admin_dashboard");
      await this.#readAgain();
      this.#lostAt = null;
    } catch {
      return; // the next connection tries again; until then the rows say from when they are
    }
    this.#paintAll();
  }

  async #readAgain() {
    const ids = [...this.#rows].filter(([, { job }]) => !isFinal(job.status)).map(([id]) => id);
    for (let start = 0; start < ids.length; start += IDS_AT_ONCE) {
      const asked = ids.slice(start, start + IDS_AT_ONCE).map((id) => `id=${id}`).join("&");
      const { items } = await getJson(`/api/v1/admin/tasks?${asked}`);
      for (const job of items) this.#told(job);
    }
  }

  #told(job) {
    const known = this.#rows.get(job.task_id);
    if (!known) return this.#count(job);
    if (isBehind(known.job, job)) return;
    const before = known.job.status;
    known.job = { ...known.job, ...job, house: this.#house };
    this.#due.add(known);
    if (before !== job.status) for (const listener of this.#listeners) listener();
    if (this.#inView.has(known)) paintSoon(this.#paint);
  }

  #count(job) {
    if (Date.parse(job.created_at) <= this.madeAt || this.#newer.size >= MOST_NEWER || !matches(job, this.selection)) return;
    this.#newer.add(job.task_id);
    const { size } = this.#newer;
    const link = find(this.root, "newer");
    const number = size >= MOST_NEWER ? `${plural(size, "newer job")} or more` : plural(size, "newer job");
    setText(find(link, "newer-text"), `${number}, show ${size === 1 ? "it" : "them"}`);
    setHidden(link, false);
  }

  #held(status) {
    this.#house = status;
    for (const known of this.#rows.values()) if (known.job.status === "queued") known.job = { ...known.job, house: status };
    this.#paintAll();
  }

  #seen(entries) {
    for (const { target, isIntersecting } of entries) {
      const known = this.#rows.get(target.dataset.task);
      if (!known) continue;
      if (isIntersecting) this.#inView.add(known);
      else this.#inView.delete(known);
      if (isIntersecting && this.#due.has(known)) paintSoon(this.#paint);
    }
  }

  #paintAll() {
    for (const known of this.#inView) if (!isFinal(known.job.status) || this.#due.has(known)) this.#due.add(known);
    if (this.#due.size) paintSoon(this.#paint);
  }

  #paintDue() {
    const fresh = this.#freshness();
    for (const known of this.#inView) {
      if (!this.#due.delete(known)) continue;
      paintRow(known.row, known.job, fresh, live.clock.now());
    }
  }

  #freshness() {
    const isLive = this.#lostAt === null || live.clock.now() - this.#lostAt < BLIP_MS;
    if (isLive) return { kind: "live", words: "", confirmed: true, asOf: "" };
    return { kind: "asof", words: "", confirmed: false, asOf: clockTime(this.#lostAt) };
  }

  /** The next rows come below; those that are there stay where they are. */
  async #showMore(event) {
    event.preventDefault();
    const link = event.currentTarget;
    if (this.#rows.size >= MOST_ROWS) return location.assign(link.href);
    link.setAttribute("aria-disabled", "true");
    try {
      const page = await getDocument(link.href);
      const fresh = findAll(page, "task").filter((row) => !this.#rows.has(row.dataset.task)).map((row) => document.importNode(row, true));
      find(this.root, "rows").append(...fresh);
      this.#follow(fresh);
      setText(find(this.root, "shown-count"), String(this.#rows.size));
      const next = find(page, "more");
      if (next) link.href = next.getAttribute("href");
      else link.remove();
    } catch {
      location.assign(link.href);
    } finally {
      link.removeAttribute("aria-disabled");
    }
  }
}

/** Never out of an end, nor to an earlier attempt, nor back within one. */
function isBehind(known, job) {
  if (isFinal(known.status)) return true;
  const [now, next] = [known.attempt ?? 0, job.attempt ?? 0];
  if (now !== next || isFinal(job.status) || known.status !== job.status) return next < now;
  return (job.progress_percent ?? Infinity) < (known.progress_percent ?? -Infinity);
}

function matches(job, { state = [], kind, owner, priority, worker }) {
  if (state.length && !state.includes(job.status)) return false;
  if (kind && job.kind !== kind) return false;
  if (owner && job.owner?.username.toLowerCase() !== owner.toLowerCase()) return false;
  return (!priority || job.priority === priority) && (!worker || (job.worker ?? "").startsWith(worker));
}

function paintRow(row, job, fresh, now) {
  const view = describe(job, fresh, now);
  view.badge.word = view.badge.word.replace(/ at .*/, ""); // its moment is the same for all rows: the banner says it
  paintTask(row, view);
  setText(find(row, "job-priority"), job.priority.replace(/^./, (first) => first.toUpperCase()));
  setText(find(row, "job-took"), took(job, now));
  const worker = find(row, "job-worker");
  if (worker) {
    setText(worker, job.worker?.replace(/:[^:]*$/, "") ?? UNKNOWN);
    setAttribute(worker, "title", job.worker ?? "");
  }
  paintTime(find(row, "job-started"), job.started_at, now);
}

function took(job, now) {
  if (isFinal(job.status)) return isKnown(job.duration_ms) ? measured(job.duration_ms) : UNKNOWN;
  if (job.status === "running") return since(job.started_at, now) || UNKNOWN;
  return `waits ${since(job.queued_at, now) || UNKNOWN}`;
}

function paintTime(cell, at, now) {
  if (!cell || !at) return;
  let time = cell.querySelector("time");
  if (!time) cell.replaceChildren((time = document.createElement("time")));
  if (time.dateTime === at) return;
  time.dateTime = at;
  time.title = fullTime(at);
  const isToday = at.slice(0, 10) === new Date(now).toISOString().slice(0, 10);
  setText(time, isToday ? clockTime(at) : `${fullTime(at).split(" ").slice(0, 2).join(" ").slice(0, 6)} ${clockTime(at).slice(0, 5)}`);
}
