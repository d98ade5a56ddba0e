import { Connection, RequestError } from "/static/js/connection.js";
import { delayBefore, MAX_ATTEMPTS, ReconnectSchedule } from "/static/js/reconnect_schedule.js";
import { equal, FakeSocket, FakeTimers, ok, settled, test } from "./harness.js";

const centred = () => 0.5;

function connection({ random = centred } = {}) {
  const [socket, timers] = [new FakeSocket(), new FakeTimers()];
  const one = new Connection(socket, { timers, random });
  const seen = [];
  one.onState((state) => seen.push(state.name));
  return { socket, timers, one, seen };
}

test("F4", "tries come after 2, 4 … 20 seconds, ten of them", () => {
  const schedule = new ReconnectSchedule(centred);
  const delays = Array.from({ length: MAX_ATTEMPTS + 1 }, () => schedule.next());
  equal(delays, [2000, 4000, 6000, 8000, 10000, 12000, 14000, 16000, 18000, 20000, null]);
});

test("F4", "jitter stays within a fifth of the step", () => {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    for (const random of [0, 0.25, 0.5, 0.75, 0.999999]) {
      const ratio = delayBefore(attempt, random) / (attempt * 2000);
      ok(ratio >= 0.8 && ratio <= 1.2, `try ${attempt}: ${ratio}`);
    }
  }
  ok(delayBefore(3, 0) !== delayBefore(3, 0.9), "two clients do not come back together");
});

test("F4 F2", "after ten failed tries the connection is lost and nothing tries any more", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  socket.fire("connect");
  socket.fire("disconnect", "transport close");
  for (let attempt = 1; attempt <= 10; attempt += 1) {
    equal([one.state.name, one.state.attempt], ["reconnecting", attempt]);
    await timers.pass(attempt * 2000);
    equal(socket.tries, attempt + 1, "tries");
    socket.fire("connect_error", new Error("xhr poll error"));
  }
  equal([one.state.name, timers.nextIn], ["lost", null]);
  equal(one.downMs, 110_000);
});

test("F4", "a lost connection tries at once when asked, when the network or the tab comes back", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  for (let attempt = 0; attempt < 11; attempt += 1) {
    socket.fire("connect_error", new Error("down"));
    await timers.pass(20_000);
  }
  equal(one.state.name, "lost");
  const before = socket.tries;
  one.wake();
  equal([socket.tries, one.state.name], [before + 1, "reconnecting"]);
  one.wake();
  equal(socket.tries, before + 1, "a second wake in the same moment adds no try");
  socket.fire("connect_error", new Error("down"));
  equal(one.state.attempt, 1, "the schedule starts again");
});

test("F4", "while reconnecting, a wake uses the moment and keeps the count", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  socket.fire("connect_error", new Error("down"));
  await timers.pass(2000);
  socket.fire("connect_error", new Error("down"));
  await timers.pass(1500);
  const before = socket.tries;
  one.wake();
  equal(socket.tries, before + 1);
  socket.fire("connect_error", new Error("down"));
  equal(one.state.attempt, 3);
});

test("F4", "a network that comes back right after a failed try is used a moment later, not at the next step", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  socket.fire("connect_error", new Error("down"));
  await timers.pass(2_000);
  socket.fire("connect_error", new Error("down"));
  await timers.pass(100);
  const before = socket.tries;
  one.wake();
  one.wake();
  equal(socket.tries, before);
  await timers.pass(150);
  equal(socket.tries, before + 1);
  socket.fire("connect");
  await timers.pass(5_000);
  equal(socket.tries, before + 1);
});

test("F4", "a try that is never answered is given up after ten seconds", async () => {
  const { timers, one } = connection();
  one.connect();
  await timers.pass(10_000);
  equal([one.state.name, one.state.attempt], ["reconnecting", 1]);
});

test("A15 D1", "a refused login is told and not tried again", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  const error = new Error("Sign in");
  error.data = { code: "unauthenticated", message: "Sign in to go on." };
  socket.fire("connect_error", error);
  equal(one.state.name, "lost");
  equal(one.state.reason, { code: "unauthenticated", message: "Sign in to go on." });
  await timers.pass(600_000);
  one.wake();
  equal(socket.tries, 1);
  one.connect();
  equal(socket.tries, 2, "by hand it may be tried");
});

test("D6", "a busy server's wish for patience is kept", () => {
  const { socket, timers, one } = connection();
  one.connect();
  const error = new Error("Too many");
  error.data = { code: "rate_limited", message: "Too many tries.", retry_after_s: 42 };
  socket.fire("connect_error", error);
  ok(timers.nextIn >= 42_000, `${timers.nextIn}`);
  equal(one.state.reason.message, "Too many tries.");
});

test("D7", "a connection ended because rights were taken away says so and stays away", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  socket.fire("connect");
  socket.fire("error", { code: "unauthenticated", message: "You were signed out.", event: null });
  socket.fire("disconnect", "io server disconnect");
  equal([one.state.name, one.state.reason.message], ["lost", "You were signed out."]);
  await timers.pass(600_000);
  equal(socket.tries, 1);
});

test("D7", "whoever got other rights is asked to come back, and who has none left stays away", async () => {
  const { socket, timers, one } = connection();
  one.connect();
  socket.fire("connect");
  for (const comesBack of [true, false]) {
    await timers.pass(60_000);
    socket.fire("error", { code: "unauthenticated", message: "Your login has ended.", event: null });
    socket.fire("disconnect", "io server disconnect");
    if (comesBack) socket.fire("connect");
  }
  equal(socket.tries, 3, "once after each end");
  const error = new Error("Sign in");
  error.data = { code: "unauthenticated", message: "Sign in to go on." };
  socket.fire("connect_error", error);
  equal([one.state.name, one.state.reason.message], ["lost", "Sign in to go on."]);
  await timers.pass(600_000);
  equal(socket.tries, 3);
});

test("E7", "a server that restarts is joined again, later than it asks for and not by all at once", () => {
  const waits = [0, 0.9].map((random) => {
    const { socket, timers, one } = connection({ random: () => random });
    one.connect();
    socket.fire("connect");
    socket.fire("error", { code: "unavailable", message: "The server restarts.", event: null, retry_after_s: 3 });
    socket.fire("disconnect", "io server disconnect");
    equal(one.state.reason.message, "The server restarts.");
    return timers.nextIn;
  });
  ok(waits[0] >= 3000 && waits[1] > waits[0], `${waits}`);
});

test("F2", "an error about one request is no reason to stay away", () => {
  const { socket, one } = connection();
  one.connect();
  socket.fire("connect");
  socket.fire("error", { code: "forbidden", message: "Not yours.", event: "cancel_task" });
  socket.fire("disconnect", "transport close");
  equal(one.state.name, "reconnecting");
});

test("F2", "live, catching up while somebody waits for history, live again", async () => {
  const { socket, one, seen } = connection();
  one.connect();
  one.setPending("a", true);
  socket.fire("connect");
  await settled();
  equal(one.state.name, "catching_up");
  one.setPending("b", true);
  one.setPending("a", false);
  equal(one.state.name, "catching_up");
  one.setPending("b", false);
  equal([one.state.name, one.downMs, seen.at(-1)], ["live", 0, "live"]);
});

test("D5", "a refused request is an exception with the server's code and words", async () => {
  const { socket, one } = connection();
  one.connect();
  socket.fire("connect");
  socket.answer = () => ({ ok: false, error: { code: "rate_limited", message: "Slow down.", retry_after_s: 4 } });
  const error = await one.request("join_task", {}).catch((caught) => caught);
  ok(error instanceof RequestError, "a RequestError");
  equal([error.code, error.message, error.retryAfterS], ["rate_limited", "Slow down.", 4]);
});
