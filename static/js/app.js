/** Every page: the small parts, and with a signed-in user the connection, its indicator, its banners and the toasts. */
import { ConnectionView } from "./connection_view.js";
import { guardClicks } from "./guarded_clicks.js";
import { watchHouse } from "./house.js";
import { goLive, live } from "./live.js";
import { announcer } from "./page_announcer.js";
import { closableMenus, copyButtons, dialogs, relativeTimes, themeForms } from "./page_parts.js";
import { realTimers } from "./timers.js";
import { toastFinal } from "./toasts.js";

const FINAL_UPDATE = { success: "completed", failed: "failed", cancelled: "cancelled" };

guardClicks();
closableMenus();
dialogs();
copyButtons();
themeForms();
relativeTimes(() => (live ? live.clock.now() : Date.now()), realTimers);

if (live) {
  new ConnectionView(live, announcer).paint();
  if (live.user) followFeeds();
  goLive();
}

/** What only a signed-in user is told; a visitor by a share link is not. */
function followFeeds() {
  live.connection.on("task_update", ({ data } = {}) => {
    const status = FINAL_UPDATE[data?.status];
    if (status) toastFinal({ user: live.user, taskId: data.task_id, status, title: data.task_name, text: data.error ?? "" });
  });
  watchHouse();
}
