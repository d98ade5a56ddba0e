/** The two live regions of this page, as `announcer.polite` and `announcer.assertive`. */
import { AnnouncementQueue } from "./announcer.js";
import { realTimers } from "./timers.js";

function queue(name) {
  return new AnnouncementQueue((text) => document.querySelector(`[data-live="${name}"]`)?.replaceChildren(text), realTimers);
}

export const announcer = { polite: queue("polite"), assertive: queue("assertive") };
