import { LogBook } from "/static/js/log_book.js";
import { LogFetcher } from "/static/js/log_fetcher.js";
import { LogWindow } from "/static/js/log_window.js";
import { equal, FakeTimers, ok, settled, test } from "./harness.js";

const line = (n) => ({ n, at: "2026-11-21T14:04:08.840Z", level: "info", text: `line ${n}` });
const lines = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => line(from + i));

test("A10 F11", "a line that comes twice is here once, whatever brought it", () => {
  const book = new LogBook();
  equal(book.add(lines(1, 3)).map((one) => one.n), [1, 2, 3]);
  equal(book.add([line(4), line(2), line(4)]).map((one) => one.n), [4]);
  equal(book.total, 4);
});

test("F11", "what lacks is known as ranges, in any order of arrival", () => {
  const book = new LogBook();
  book.add([line(7), line(3), line(4)]);
  book.learnTotal(10);
  equal(book.missing(1, Infinity), [[1, 2], [5, 6], [8, 10]]);
  equal(book.missing(4, 7), [[5, 6]]);
  book.markAbsent(5, 6);
  equal(book.missing(4, 7), []);
});

test("F11", "lines that are no lines are refused", () => {
  const book = new LogBook();
  book.add([null, {}, { n: 0 }, { n: 1.5 }, { n: "2" }]);
  equal([book.total, book.missing(1, 5)], [0, []]);
  equal(book.add(undefined), []);
});

test("A17", "a very long log keeps a bounded number of lines, those around the reader", () => {
  const book = new LogBook(100);
  book.keepAround(480, 500);
  book.add(lines(1, 500));
  ok(book.get(500) && book.get(480), "the reader's lines stay");
  ok(!book.get(1), "the far ones go");
  equal(book.total, 500);
});

test("F11 A10", "missing lines are fetched from the newest back, page by page, until none lacks", async () => {
  const [book, timers] = [new LogBook(), new FakeTimers()];
  const asked = [];
  const read = async (from, limit) => {
    asked.push([from, limit]);
    return { lines: lines(from, from + limit - 1), next_line: from + limit, total_lines: 1200 };
  };
  const fetcher = new LogFetcher(book, read, { timers, changed: () => {} });
  book.learnTotal(1200);
  fetcher.want(1);
  await settled();
  await settled();
  equal(asked, [[701, 500], [201, 500], [1, 200]]);
  equal(book.missing(1, Infinity), []);
});

test("F11", "the line somebody asked for comes before the others", async () => {
  const [book, timers] = [new LogBook(), new FakeTimers()];
  const asked = [];
  const read = async (from, limit) => {
    asked.push([from, limit]);
    return { lines: lines(from, from + limit - 1), next_line: from + limit, total_lines: 2000 };
  };
  book.learnTotal(2000);
  new LogFetcher(book, read, { timers, changed: () => {} }).want(1, 2000, 42);
  await settled();
  await settled();
  equal(asked[0], [1, 291]);
  equal(book.missing(1, 2000), []);
});

test("F11 E2", "a fetch that fails is tried again, later each time, and at once when the connection is back", async () => {
  const [book, timers] = [new LogBook(), new FakeTimers()];
  let tries = 0;
  const read = async (from, limit) => {
    tries += 1;
    if (tries < 4) throw new Error("not now");
    return { lines: lines(from, from + limit - 1), next_line: from + limit, total_lines: 3 };
  };
  const fetcher = new LogFetcher(book, read, { timers, changed: () => {} });
  book.learnTotal(3);
  fetcher.want(1);
  await settled();
  equal([tries, timers.nextIn, fetcher.isFailing], [1, 1000, true]);
  await timers.pass(1000);
  equal([tries, timers.nextIn], [2, 2000]);
  await timers.pass(2000);
  equal([tries, timers.nextIn], [3, 4000]);
  fetcher.hurry();
  await settled();
  equal([tries, book.missing(1, Infinity), fetcher.isFailing], [4, [], false]);
});

test("F11 A8", "the end of the log is asked for once, because a snapshot may be older", async () => {
  const [book, timers] = [new LogBook(), new FakeTimers()];
  const asked = [];
  const read = async (from, limit) => {
    asked.push([from, limit]);
    return { lines: from <= 4 ? lines(from, 4) : [], next_line: Math.max(from, 5), total_lines: 4 };
  };
  const fetcher = new LogFetcher(book, read, { timers, changed: () => {} });
  book.add(lines(1, 2));
  fetcher.checkEnd();
  fetcher.want(1);
  fetcher.checkEnd();
  await settled();
  equal([asked, book.total, book.missing(1, Infinity)], [[[3, 500]], 4, []]);
  fetcher.checkEnd();
  await settled();
  equal([asked.length, book.total, book.isAbsent(5)], [2, 4, false]);
});

test("F11", "lines the server does not have are not asked for again", async () => {
  const [book, timers] = [new LogBook(), new FakeTimers()];
  let tries = 0;
  const read = async () => {
    tries += 1;
    return { lines: [line(3)], next_line: 4, total_lines: 3 };
  };
  book.learnTotal(3);
  new LogFetcher(book, read, { timers, changed: () => {} }).want(1);
  await settled();
  equal([tries, book.missing(1, Infinity), book.isAbsent(1)], [1, [], true]);
});

test("F11", "the page holds the last 2,000 lines and follows the end", () => {
  const view = new LogWindow();
  view.grow(4311);
  equal([view.from, view.to, view.newLines(4311)], [2312, 4311, 0]);
  view.grow(4400);
  equal([view.from, view.to], [2401, 4400]);
});

test("F11", "whoever scrolls up keeps the place, is told of new lines, and can go on to the first line", () => {
  const view = new LogWindow();
  view.grow(4311);
  view.stop(4311);
  view.grow(4439);
  equal([view.from, view.to, view.newLines(4439)], [2312, 4311, 128]);
  while (view.extendUp(4439));
  equal([view.from, view.to], [1, 2000]);
  while (view.extendDown(4439));
  equal([view.from, view.to], [2440, 4439]);
  view.follow(5000);
  equal([view.isFollowing, view.from, view.to, view.newLines(5000)], [true, 3001, 5000, 0]);
});

test("F11", "a link to a line brings the line with what is around it", () => {
  const view = new LogWindow();
  view.grow(10_000);
  view.goTo(42, 10_000);
  ok(view.from <= 42 && view.to >= 42 && view.to - view.from < 2000, `${view.from} to ${view.to}`);
  view.goTo(9_990, 10_000);
  equal(view.to, 10_000);
});
