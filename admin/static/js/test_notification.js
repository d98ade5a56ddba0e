/**
 * The test notification: sent over the API, then heard of hop by hop. What the worker measured comes with the end of its
 * task, the rest is measured here and in the web process; after some seconds the server is asked once what is broken.
 */
import { find, findAll, setAttribute, setIcon, setText } from "/static/js/hooks.js";
import { getJson, postJson } from "/static/js/http.js";
import { live } from "/static/js/live.js";

const API = "/api/v1/admin/test-notification";
const PATIENCE_MS = 8_500;
const HOPS = ["began", "stored", "published", "web", "browser", "acknowledged"];
const AT_MOST = 20;
const root = document.querySelector('[data-page="test-notification"]');
/** By task: what has come of it, also before this page knows that it asked for it. */
const heard = new Map();
let shown = null;
let patience = null;

const words = (ms) => (ms === null || ms === undefined ? "unknown" : `${ms.toLocaleString("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 })} ms`);
/** Unknown where one of the moments is, or where a clock was set between them. */
const between = (earlier, later) => (typeof earlier === "number" && typeof later === "number" && later >= earlier ? later - earlier : null);
const about = (taskId) => {
  if (!heard.has(taskId)) heard.set(taskId, {});
  if (heard.size > AT_MOST) heard.delete(heard.keys().next().value);
  return heard.get(taskId);
};

function paint({ isOver = false, broken = null } = {}) {
  const { ms = {}, arrived = {} } = about(shown);
  for (const name of HOPS) {
    const row = root.querySelector(`[data-hop="${name}"]`);
    const has = arrived[name] === true;
    setIcon(row, name === broken ? "failed" : has ? "completed" : "queued");
    setAttribute(row, "data-broken", name === broken ? "" : null);
    setText(find(row, "hop-ms"), has || isOver ? words(ms[name]) : "–");
  }
}

function note(taskId, names, ms) {
  const known = about(taskId);
  known.ms = { ...known.ms, ...ms };
  known.arrived = { ...known.arrived, ...Object.fromEntries(names.map((name) => [name, true])) };
  if (taskId !== shown) return;
  paint();
  if (HOPS.every((name) => known.arrived[name])) end("It came through.", "");
}

function end(state, trouble) {
  live.timers.clear(patience);
  setText(find(root, "test-state"), state);
  setText(find(root, "test-trouble"), trouble || "This address shows it again, as far as the server knows.");
  setAttribute(find(root, "test-trouble"), "data-broken", trouble ? "" : null);
}

/** The worker's clock gave the first moments; the web process's one is compared with it only on the same host. */
function worked(taskId, results) {
  const { trace } = about(taskId);
  about(taskId).worker = results;
  const isSameHost = trace && trace.host === results.host;
  note(taskId, ["began", "stored", "published"], {
    stored: between(results.began_ms, results.stored_ms),
    published: between(results.stored_ms, results.published_ms),
    ...(isSameHost ? { web: between(results.published_ms, trace.received_ms) } : {}),
  });
}

async function came({ type, task_id: taskId, trace }) {
  if (type !== "test" || !trace) return;
  about(taskId).trace = trace;
  note(taskId, ["web"], {});
  if (about(taskId).worker) worked(taskId, about(taskId).worker);
  const sentAt = performance.now();
  try {
    const { round_trip_ms: browser } = await live.connection.request("acknowledge_test", { task_id: taskId });
    note(taskId, ["browser", "acknowledged"], { browser, acknowledged: performance.now() - sentAt });
  } catch {
    note(taskId, ["browser"], {}); // it is here; the answer is what does not get through
  }
  learn(taskId, await getJson(`${API}/${encodeURIComponent(taskId)}`));
}

/** What the server knows; what was measured here counts more. */
function learn(taskId, { hops }) {
  const measured = hops.filter(({ ms }) => ms !== null);
  const ms = Object.fromEntries(measured.map((hop) => [hop.name, hop.ms]));
  note(taskId, measured.map(({ name }) => name), { ...ms, ...about(taskId).ms });
}

async function giveUp(taskId) {
  const said = await getJson(`${API}/${encodeURIComponent(taskId)}`).catch((error) => ({ trouble: error.message, hops: [] }));
  if (taskId !== shown) return;
  learn(taskId, said);
  const { arrived = {} } = about(taskId);
  const last = HOPS.findLastIndex((name) => arrived[name]);
  const broken = HOPS.slice(last + 1)[0];
  if (!broken) return;
  for (const name of HOPS.slice(0, last)) note(taskId, [name], {}); // what came later has passed it
  paint({ isOver: true, broken });
  end("It did not come through.", said.trouble ?? "The last hop did not arrive.");
}

async function send(form) {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const { task_id: taskId } = await postJson(API);
    shown = taskId;
    history.replaceState(null, "", `/admin/test/${encodeURIComponent(taskId)}`);
    setText(find(root, "test-state"), "On its way");
    setText(find(root, "test-trouble"), "Keep this page open.");
    setAttribute(find(root, "test-trouble"), "data-broken", null);
    paint();
    note(taskId, [], {});
    live.timers.clear(patience);
    if (!HOPS.every((name) => about(taskId).arrived?.[name])) patience = live.timers.set(() => giveUp(taskId), PATIENCE_MS);
  } catch (error) {
    setText(find(root, "test-state"), "It could not be sent");
    setText(find(root, "test-trouble"), error.message);
  } finally {
    button.disabled = false;
  }
}

if (root && live) {
  shown = root.dataset.task || null;
  live.connection.on("notification", (notification) => came(notification).catch(() => {}));
  live.connection.on("task_update", ({ data } = {}) => {
    if (data?.kind !== "test_notification") return;
    if (data.status === "started") note(data.task_id, ["began"], {});
    if (data.status === "success") worked(data.task_id, data.result_data);
    if (data.status === "failed" && data.task_id === shown) giveUp(data.task_id);
  });
  for (const form of findAll(document, "test-form")) {
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form);
    });
  }
}
