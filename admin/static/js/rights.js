/** Whoever loses an admin's rights loses the dashboard while they look at it: the page asks the server anew. */
import { live } from "/static/js/live.js";

const ENDED = new Set(["unauthenticated", "forbidden"]);

live?.connection.onState(({ name, reason }) => {
  if (name === "lost" && ENDED.has(reason?.code)) location.reload();
});
