/** The inbox of who is signed in, one per tab; null for nobody. */
import { find } from "./hooks.js";
import { live } from "./live.js";
import { Inbox } from "./notifications.js";

export const inbox = live?.user ? new Inbox(live.connection, Number(find(document, "bell")?.dataset.unread || 0)) : null;
