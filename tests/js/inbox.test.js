import { concerns, Inbox } from "/static/js/notifications.js";
import { equal, ok, test } from "./harness.js";

function inbox(unread = 0) {
  const heard = {};
  const connection = { on: (name, listener) => (heard[name] = listener), onOpen: (listener) => (heard.open = listener) };
  return { heard, one: new Inbox(connection, unread) };
}

test("I1", "counts that overtake each other end at the newest", () => {
  const { heard, one } = inbox(1);
  heard.notification({ id: 7, unread_count: 3, revision: 30 });
  heard.notification({ id: 6, unread_count: 2, revision: 20 });
  equal(one.unread, 3);
  heard.inbox_update({ ids: null, up_to: 7, read: true, unread_count: 0, revision: 40 });
  heard.notification({ id: 5, unread_count: 1, revision: 10 });
  equal(one.unread, 0);
});

test("I1", "after a reconnect the count is what the server says then, unless something newer came first", () => {
  const { heard, one } = inbox(1);
  heard.notification({ id: 7, unread_count: 2, revision: 1000 });
  heard.open();
  heard.connected({ unread_count: 5 });
  equal(one.unread, 5);
  heard.notification({ id: 9, unread_count: 6, revision: 3 });
  equal(one.unread, 6, "a Redis that began anew");
  heard.connected({ unread_count: 4 });
  equal(one.unread, 6, "told before, arrived late");
  heard.open();
  heard.connected({ unread_count: null });
  equal(one.unread, 6, "unknown changes nothing");
});

test("I1", "what was read elsewhere is told even when its count is old", () => {
  const { heard, one } = inbox(2);
  const changes = [];
  one.onChange((change) => changes.push(change));
  heard.notification({ id: 7, unread_count: 3, revision: 30 });
  heard.inbox_update({ ids: [4], up_to: null, read: true, unread_count: 1, revision: 20 });
  equal(one.unread, 3);
  ok(concerns(changes.at(-1), 4) && !concerns(changes.at(-1), 5), "it is about 4 alone");
  ok(concerns({ ids: null, up_to: 5 }, 5) && !concerns({ ids: null, up_to: 5 }, 6), "up to 5");
  ok(concerns({ ids: null, up_to: null, all: true }, 6), "all");
});
