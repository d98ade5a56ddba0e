// Node's socket.io with its Redis adapter, as its documentation sets it up. Arguments: port, Redis URL.
import { createServer } from "node:http";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, url] = process.argv.slice(2);
const publishing = createClient({ url });
const subscribed = publishing.duplicate();
await Promise.all([publishing.connect(), subscribed.connect()]);

const http = createServer();
const io = new Server(http, { adapter: createAdapter(publishing, subscribed) });
io.on("connection", (socket) => {
  socket.on("join_task", (data, acknowledge) => {
    socket.join(data.task_id);
    acknowledge({ ok: true });
  });
});
http.listen(Number(port), "127.0.0.1");
