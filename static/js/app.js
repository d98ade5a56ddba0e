/** Every page: the small parts, and with a signed-in user the connection, its indicator, its banners and the toasts. */
import { Bell } from "./bell.js";
import { ConnectionView } from "./connection_view.js";
import { followButtons } from "./follow.js";
import { guardClicks } from "./guarded_clicks.js";
import { find } from "./hooks.js";
import { watchHouse } from "./house.js";
import { goLive, live } from "./live.js";
import { inbox } from "./my_inbox.js";
import { announcer } from "./page_announcer.js";
import { closableMenus, copyButtons, dialogs, relativeTimes, themeForms } from "./page_parts.js";
import { seeTaskPage, tellArrivals } from "./telling.js";
import { realTimers } from "./timers.js";

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
  watchHouse();
  const bell = find(document, "bell");
  if (bell) new Bell(bell, inbox);
  tellArrivals(inbox);
  seeTaskPage(inbox);
  followButtons();
}
