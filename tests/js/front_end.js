/**
 * A front end as those of older scanners were: the official client in the namespace `/ws`, event names with the scan's
 * id in them, and the library's own reconnection. Run by node; says what happens as JSON lines, and does what it reads.
 *
 * argv: the server's address, and {auth?, transports?, namespaces?, scans?} as JSON. `scans` are subscribed to whenever
 * it is connected, until they have ended. Orders on stdin: {do: "subscribe" | "unsubscribe" | "emit" | "disconnect", …}, one a line.
 */
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url, { namespaces = ["/ws"], scans = [], ...options }] = [process.argv[2], JSON.parse(process.argv[3])];
const say = (name, data = null) => process.stdout.write(`${JSON.stringify({ name, data })}\n`);
const wanted = new Set(scans);
const sockets = new Map();

function subscribe(socket, scanId) {
  socket.timeout(10_000).emit("subscribe", { scanId }, (error, ack) => say("subscribed", error ? String(error) : ack));
}

function listen(socket, scanId) {
  socket.on(`scan:${scanId}:progress`, (data) => say("progress", data));
  for (const end of ["complete", "failed"]) {
    socket.on(`scan:${scanId}:${end}`, (data) => {
      say(end, data);
      wanted.delete(scanId);
      socket.emit("unsubscribe", { scanId });
    });
  }
}

for (const namespace of namespaces) {
  const socket = io(url + namespace, { reconnectionDelay: 200, reconnectionDelayMax: 500, ...options });
  sockets.set(namespace, socket);
  socket.on("connect", () => {
    say("connect", { namespace, transport: socket.io.engine.transport.name });
    socket.io.engine.once("upgrade", (transport) => say("upgrade", transport.name));
    if (namespace === "/ws") for (const scanId of wanted) subscribe(socket, scanId);
  });
  socket.on("disconnect", (reason) => say("disconnect", reason));
  socket.on("connect_error", (error) => say("connect_error", error.data ?? { message: error.message }));
  socket.on("error", (data) => say("error", data));
  socket.onAny((name, ...data) => say("any", { namespace, name, data }));
  if (namespace === "/") socket.on("task_update", (message) => say("task_update", message));
  else for (const scanId of wanted) listen(socket, scanId);
}

const doing = {
  subscribe({ scanId }) {
    if (!wanted.has(scanId)) listen(sockets.get("/ws"), scanId);
    wanted.add(scanId);
    subscribe(sockets.get("/ws"), scanId);
  },
  unsubscribe({ scanId }) {
    wanted.delete(scanId);
    sockets.get("/ws").timeout(10_000).emit("unsubscribe", { scanId }, (_, ack) => say("unsubscribed", ack));
  },
  emit({ event, data, namespace = "/ws" }) {
    sockets.get(namespace).timeout(10_000).emit(event, ...data, (error, ack) => say("ack", error ? String(error) : ack));
  },
  disconnect() {
    for (const socket of sockets.values()) socket.disconnect();
  },
};

const orders = createInterface({ input: process.stdin });
orders.on("line", (line) => {
  const order = JSON.parse(line);
  doing[order.do](order);
});
orders.on("close", () => process.exit(0));
