/**
 * What the scripts of one page share: the connection, the tasks followed over it, the clock. Made once per tab.
 * A page without a signed-in user has none of it (`live` is null) and opens no connection; but whoever came by a share
 * link (`live.user` is empty) follows that one task.
 */
import { io } from "../vendor/socket.io.esm.min.js";
import { Connection } from "./connection.js";
import { FallbackRefresh } from "./fallback.js";
import { getJson } from "./http.js";
import { TaskStreams } from "./task_streams.js";
import { ServerClock } from "./time.js";
import { realTimers } from "./timers.js";

/** WebSocket first; every second try the other way round, for networks that let it open and then drop it. */
const TRANSPORTS = ["websocket", "polling"];

function make({ pollFallbackS, userId, share }) {
  const socket = io({
    autoConnect: false, reconnection: false, transports: TRANSPORTS, tryAllTransports: true, timeout: 10_000,
    ...(share ? { auth: { share } } : {}),
  });
  const taskUrl = (taskId) => `/api/v1/tasks/${encodeURIComponent(taskId)}`;
  const logUrl = (taskId) => (share ? `/shared/${share}/log` : `${taskUrl(taskId)}/log`);
  const stateUrl = (taskId) => (share ? `/shared/${share}/task` : taskUrl(taskId));
  const timers = realTimers;
  const clock = new ServerClock();
  const connection = new Connection(socket, { timers });
  connection.onState(({ attempt }) => {
    socket.io.opts.transports = attempt % 2 ? TRANSPORTS.toReversed() : TRANSPORTS;
  });
  connection.on("connected", ({ server_time }) => clock.learn(server_time));
  const readLogOverHttp = (taskId, { from, limit }) => getJson(`${logUrl(taskId)}?from=${from}&limit=${limit}`);
  const streams = new TaskStreams(connection, { clock, timers, readLogOverHttp });
  const refresh = new FallbackRefresh(streams, connection,
    { everyS: Number(pollFallbackS || 0), readTask: (taskId) => getJson(stateUrl(taskId)), timers });
  return { clock, connection, streams, refresh, timers, user: userId };
}

export const live = document.body.dataset.userId || document.body.dataset.share ? make(document.body.dataset) : null;

/** Connects, and uses each moment at which the network or the tab comes back. */
export function goLive() {
  if (!live) return;
  const wake = () => {
    live.connection.wake();
    live.streams.wake();
  };
  window.addEventListener("online", wake);
  window.addEventListener("pageshow", wake);
  document.addEventListener("visibilitychange", () => !document.hidden && wake());
  live.connection.connect();
}
