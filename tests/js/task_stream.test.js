import { Connection } from "/static/js/connection.js";
import { FallbackRefresh } from "/static/js/fallback.js";
import { freshness } from "/static/js/freshness.js";
import { TaskStreams } from "/static/js/task_streams.js";
import { ServerClock } from "/static/js/time.js";
import { equal, FakeSocket, FakeTimers, ok, settled, test } from "./harness.js";

const at = (ms) => new Date(ms).toISOString();

function room() {
  const [socket, timers] = [new FakeSocket(), new FakeTimers()];
  const clock = new ServerClock(timers.now);
  const connection = new Connection(socket, { timers, random: () => 0.5 });
  const http = [];
  const readLogOverHttp = async (id, { from, limit }) => (http.push(["log", from, limit]), { lines: [], next_line: from, total_lines: 0 });
  const streams = new TaskStreams(connection, { clock, timers, readLogOverHttp });
  const joins = () => socket.sent.filter(([name]) => name === "join_task").map(([, data]) => data);
  const progress = (seq, percent, fields = {}, epoch = "e1") => socket.fire("progress_update", { task_id: "t", epoch, seq,
    timestamp: at(timers.now()), status: "running", attempt: 1, progress_percent: percent, ...fields });
  return { socket, timers, clock, connection, streams, joins, progress, http };
}

async function live(parts = room(), ack = { seq: 1 }) {
  const stream = parts.streams.of("t");
  const told = [];
  const stop = stream.subscribe((_, what, detail) => told.push([what, detail]));
  parts.socket.answer = (name) => ({ ok: true, task_id: "t", epoch: "e1", recovered: false, replayed: 0, ...(name === "join_task" ? ack : {}) });
  parts.connection.connect();
  parts.socket.fire("connect");
  parts.progress(1, 1, { snapshot: true });
  await settled();
  return { ...parts, stream, told, stop };
}

test("A8", "the first join asks for a snapshot, and whatever comes during it counts", async () => {
  const parts = room();
  const stream = parts.streams.of("t");
  stream.subscribe(() => {});
  parts.connection.connect();
  parts.socket.answer = () => new Promise(() => {});
  parts.socket.fire("connect");
  equal(parts.joins(), [{ task_id: "t" }]);
  equal(stream.isCatchingUp, true);
  parts.progress(7, 20, { snapshot: true });
  parts.progress(8, 21);
  equal([stream.state.seq, stream.state.task.progress_percent], [8, 21]);
});

test("F2 A10", "a connection over which nobody answers a join is given up, and never called live", async () => {
  const parts = room();
  parts.streams.of("t").subscribe(() => {});
  const seen = [];
  parts.connection.onState(({ name }) => seen.push(name));
  parts.connection.connect();
  parts.socket.answer = () => Promise.reject(new Error("operation has timed out"));
  parts.socket.fire("connect");
  await settled();
  equal([parts.connection.state.name, seen.includes("live")], ["reconnecting", false]);
  await parts.timers.pass(2_000);
  parts.socket.answer = () => ({ ok: false, error: { code: "unavailable", message: "The database is away." } });
  parts.socket.fire("connect");
  await settled();
  equal([parts.connection.isConnected, parts.joins().length], [true, 2], "an answer proves the line");
});

test("A10 F4", "after a reconnect it joins with its position and is not live until the replay is in", async () => {
  const { socket, stream, joins, progress, connection, timers } = await live();
  progress(2, 5);
  socket.fire("disconnect", "transport close");
  await timers.pass(2000);
  socket.answer = () => ({ ok: true, task_id: "t", epoch: "e1", seq: 6, recovered: true, replayed: 2 });
  socket.fire("connect");
  await settled();
  equal(joins().at(-1), { task_id: "t", last_seq: 2, epoch: "e1" });
  equal([connection.state.name, stream.behind, stream.replayed], ["catching_up", 4, 2]);
  progress(4, 20);
  progress(6, 30);
  await settled();
  equal([connection.state.name, stream.state.seq, stream.behind], ["live", 6, 0]);
});

test("A8", "a hole before a retry makes it ask again from before the hole, once, and the replay fills it", async () => {
  const { socket, stream, joins, progress, timers } = await live();
  socket.answer = () => ({ ok: true, task_id: "t", epoch: "e1", seq: 6, recovered: true, replayed: 4 });
  const retry = (seq) => socket.fire("task_retrying", { task_id: "t", epoch: "e1", seq, timestamp: at(timers.now()), attempt: 2, error: "hung up" });
  retry(5);
  equal([stream.state.seq, joins().length], [1, 2]);
  equal(joins().at(-1), { task_id: "t", last_seq: 1, epoch: "e1" });
  retry(6);
  equal([stream.state.seq, joins().length], [1, 2], "what comes meanwhile does not step over the hole");
  progress(4, 40);
  retry(5);
  retry(6);
  await settled();
  equal([stream.state.seq, stream.state.task.status, stream.state.task.progress_percent, joins().length], [6, "queued", 40, 2]);
});

test("A8 D6", "holes that never end do not make it join over and over", async () => {
  const { socket, stream, joins, timers } = await live();
  socket.answer = () => ({ ok: true, task_id: "t", epoch: "e1", seq: 1, recovered: true, replayed: 0 });
  for (let seq = 3; seq < 203; seq += 2) {
    socket.fire("task_retrying", { task_id: "t", epoch: "e1", seq, timestamp: at(timers.now()), attempt: 2 });
    await timers.pass(100);
  }
  equal([stream.state.seq, joins().length], [1, 4], "the first one at once, then one in five seconds");
});

test("A17", "a slow client whose progress is thinned out is live all the time and asks for nothing", async () => {
  const { stream, joins, progress, socket, timers } = await live();
  const before = socket.sent.length;
  for (let seq = 3; seq < 60; seq += 2) {
    progress(seq, seq);
    await timers.pass(50);
  }
  equal([stream.state.seq, stream.state.task.progress_percent, stream.isJoined, stream.isCatchingUp], [59, 59, true, false]);
  equal([joins().length, socket.sent.length], [1, before]);
});

test("A17 F11", "a slow client that lost all that waited sees in the snapshot which lines it lacks, and fetches them, without joining or polling", async () => {
  const { socket, stream, joins, progress, timers, http } = await live();
  const line = (n) => ({ n, at: at(0), level: "info", text: `${n}` });
  const asked = [];
  let stored = 2;
  socket.answer = (name, { from_line: from, limit } = {}) => {
    if (name !== "get_task_log") return { ok: true };
    asked.push([from, limit]);
    const last = Math.min(stored, from + limit - 1);
    const lines = Array.from({ length: Math.max(0, last - from + 1) }, (_, i) => line(from + i));
    return { ok: true, lines, next_line: last < stored ? last + 1 : null, total_lines: stored };
  };
  stream.fetcher.want(1);
  socket.fire("task_log", { task_id: "t", epoch: "e1", seq: 2, timestamp: at(0), lines: [line(1), line(2)] });
  progress(3, 10, { log_total: 3 }); // the third line is on its way: asked for too early, and then its event is dropped
  await settled();
  equal(asked, [[3, 1]]);
  stored = 700;
  progress(900, 60, { snapshot: true, log_total: 700 });
  await timers.pass(60);
  equal(asked, [[3, 1], [201, 500], [3, 198]]);
  equal([stream.log.missing(1, Infinity), stream.log.total, stream.state.task.progress_percent], [[], 700, 60]);
  stored = 950;
  socket.fire("task_completed", { task_id: "t", epoch: "e1", seq: 2000, timestamp: at(0), results: {}, log_total: 950 });
  await timers.pass(60);
  equal([stream.state.task.status, stream.log.missing(1, Infinity), stream.log.total], ["completed", [], 950]);
  equal([joins().length, http.length, asked.length], [1, 0, 4]);
  await timers.pass(120_000);
  equal([http.length, asked.length], [0, 4], "nothing is asked again");
});

test("F11 A10", "log lines lost with a hole or an epoch are fetched by their numbers, none twice", async () => {
  const { socket, stream, told } = await live();
  const line = (n) => ({ n, at: at(0), level: "info", text: `${n}` });
  const asked = [];
  socket.answer = (name, data) => {
    if (name === "get_task_log") {
      asked.push([data.from_line, data.limit]);
      const lines = Array.from({ length: data.limit }, (_, i) => line(data.from_line + i));
      return { ok: true, lines, next_line: data.from_line + data.limit, total_lines: 9 };
    }
    return { ok: true, task_id: "t", epoch: "e2", seq: 1, recovered: false, replayed: 0 };
  };
  stream.fetcher.want(1);
  const log = (seq, lines, epoch = "e1") => socket.fire("task_log", { task_id: "t", epoch, seq, timestamp: at(0), lines });
  log(2, [line(1), line(2)]);
  log(3, [line(2), line(3)]);
  log(1, [line(8), line(9)], "e2");
  await settled();
  await settled();
  equal(asked, [[10, 500], [4, 4]], "what came after the new snapshot, and the hole");
  equal(stream.log.missing(1, Infinity), []);
  const numbers = told.filter(([what, lines]) => what === "log" && lines).flatMap(([, lines]) => lines.map((one) => one.n));
  equal(numbers, [1, 2, 3, 8, 9]);
});

test("F8 A6", "any number of listeners share one join; the last one to go leaves the room", async () => {
  const { socket, streams, stream, stop, joins } = await live();
  const again = streams.of("t").subscribe(() => {});
  equal(joins().length, 1);
  stop();
  equal(socket.sent.some(([name]) => name === "leave_task"), false);
  again();
  equal(socket.sent.at(-1), ["leave_task", { task_id: "t" }]);
  ok(!stream.isJoined, "left");
});

test("A6", "what arrives after leaving changes nothing", async () => {
  const { stream, stop, progress } = await live();
  stop();
  progress(2, 50);
  equal(stream.state.task.progress_percent, 1);
});

test("A3 A5", "the end is told once, and the room is left", async () => {
  const { socket, stream, told } = await live();
  const end = { task_id: "t", epoch: "e1", seq: 2, timestamp: at(0), results: {}, duration_ms: 5 };
  socket.fire("task_completed", end);
  socket.fire("task_completed", end);
  socket.fire("task_completed", { ...end, seq: 3 });
  equal(told.filter(([what]) => what === "final").length, 1);
  equal([stream.state.task.status, socket.sent.at(-1)[0]], ["completed", "leave_task"]);
});

test("D2", "a task one may not see is said to be so and not asked for again", async () => {
  const parts = room();
  const stream = parts.streams.of("t");
  stream.subscribe(() => {});
  parts.socket.answer = () => ({ ok: false, error: { code: "not_found", message: "There is no such task." } });
  parts.connection.connect();
  parts.socket.fire("connect");
  await parts.timers.pass(60_000);
  equal([parts.joins().length, stream.refusal.code], [1, "not_found"]);
});

test("D6", "a join refused for haste is made again when the server said", async () => {
  const parts = room();
  parts.streams.of("t").subscribe(() => {});
  parts.socket.answer = () => ({ ok: false, error: { code: "rate_limited", message: "Slow down.", retry_after_s: 4 } });
  parts.connection.connect();
  parts.socket.fire("connect");
  await parts.timers.pass(3_900);
  equal(parts.joins().length, 1);
  await parts.timers.pass(200);
  equal(parts.joins().length, 2);
});

test("F2", "ten silent seconds are asked about: an answer means a silent worker, none a dead line", async () => {
  const { socket, stream, connection, timers, clock } = await live();
  const kind = () => freshness({ connection: connection.state, stream, refresh: null, downMs: connection.downMs, now: clock.now() }).kind;
  socket.answer = () => ({ ok: true, task: { task_id: "t", epoch: "e1", seq: 1, status: "running" } });
  equal(kind(), "live");
  await timers.pass(11_000);
  equal([kind(), socket.sent.at(-1)[0]], ["silent", "get_task_status"]);
  socket.answer = () => {
    throw new Error("timeout");
  };
  await timers.pass(10_000);
  equal(connection.state.name, "reconnecting");
  await timers.pass(2_500);
  equal(kind(), "asof");
  const { shownAt } = freshness({ connection: connection.state, stream, refresh: null, downMs: connection.downMs, now: clock.now() });
  equal(shownAt, stream.heardAt, "durations stand still with the rest");
});

test("A7 F2", "a silence that hid the end is found out by asking", async () => {
  const { socket, timers, joins } = await live();
  socket.answer = (name) => (name === "get_task_status"
    ? { ok: true, task: { task_id: "t", epoch: "e1", seq: 9, status: "completed" } }
    : { ok: true, task_id: "t", epoch: "e1", seq: 9, recovered: true, replayed: 1 });
  await timers.pass(11_000);
  equal(joins().length, 2);
});

test("F3 F4", "the refresh over HTTP runs only while the connection is lost, and stops when it is back", async () => {
  const { socket, timers, connection, streams, stream } = await live();
  const read = [];
  const snapshot = { task_id: "t", epoch: "e1", seq: 9, status: "running", attempt: 1, progress_percent: 80, timestamp: at(0) };
  const refresh = new FallbackRefresh(streams, connection, { everyS: 15, timers, readTask: async (id) => (read.push(timers.now()), { ...snapshot, id }) });
  await timers.pass(60_000);
  equal(read.length, 0, "none while connected");
  socket.fire("disconnect", "transport close");
  for (let i = 0; i < 10; i += 1) {
    await timers.pass(20_000);
    if (connection.state.name !== "lost") socket.fire("connect_error", new Error("down"));
  }
  equal(connection.state.name, "lost");
  const since = read.length;
  await timers.pass(45_000);
  equal(read.length - since, 3, "every 15 s");
  equal([stream.source, stream.state.task.progress_percent, refresh.isOn], ["http", 80, true]);
  socket.answer = () => ({ ok: true, task_id: "t", epoch: "e1", seq: 1, recovered: true, replayed: 0 });
  connection.wake();
  socket.fire("connect");
  await settled();
  const before = read.length;
  await timers.pass(120_000);
  equal([read.length, refresh.isOn], [before, false]);
});

test("F4", "POLL_FALLBACK_SECONDS 0 refreshes only when asked", async () => {
  const { socket, timers, connection, streams } = await live();
  let reads = 0;
  const refresh = new FallbackRefresh(streams, connection, { everyS: 0, timers, readTask: async () => {
    reads += 1;
    return { task_id: "t", status: "running", seq: null, epoch: null };
  } });
  socket.fire("disconnect", "transport close");
  for (let i = 0; i < 12; i += 1) {
    await timers.pass(20_000);
    if (connection.state.name !== "lost") socket.fire("connect_error", new Error("down"));
  }
  await timers.pass(120_000);
  equal([connection.state.name, reads], ["lost", 0]);
  await refresh.refreshNow();
  equal([reads, timers.nextIn === null || timers.nextIn > 0], [1, true]);
});
