import { amount, count, duration, measured, ordinal, percent, plural, range, rateNumber, spokenDuration } from "/static/js/format.js";
import { ago, clockTime, fullTime, ServerClock, since } from "/static/js/time.js";
import { equal, test } from "./harness.js";

test("F1", "a percentage is cut off, so that only a finished task reads 100", () => {
  equal([61.44, 99.99, 100, 0, null, NaN].map(percent), ["61.4 %", "99.9 %", "100 %", "0.0 %", "–", "–"]);
});

test("F1", "what floating point stores as 61.39999 still reads 61.4", () => {
  equal(percent(61.4), "61.4 %");
  equal(percent(0.1 + 0.2), "0.3 %");
});

test("F1", "numbers are exact, grouped and have their unit", () => {
  equal(amount(6124, 8340, "files"), "6,124 of 8,340 files");
  equal(amount(3918, null, "files"), "3,918 files so far");
  equal(amount(null, 10, "files"), "–");
  equal([rateNumber(51.83), rateNumber(1204.4), rateNumber(null)], ["51.8", "1,204", "–"]);
  equal([plural(1, "line"), plural(1412, "event")], ["1 line", "1,412 events"]);
  equal([1, 2, 3, 4, 11, 12, 21, 101].map(ordinal), ["1st", "2nd", "3rd", "4th", "11th", "12th", "21st", "101st"]);
  equal(count(null), "–");
});

test("F1", "durations name whole units, measured ones a decimal below a minute", () => {
  equal([4_000, 134_000, 5_280_000, 266_400_000, null].map(duration), ["4 s", "2 min 14 s", "1 h 28 min", "3 d 2 h", "–"]);
  equal([400, 5_000, 14_230, 59_990, 184_000].map(measured), ["0.4 s", "5.0 s", "14.2 s", "1 min 0 s", "3 min 4 s"]);
  equal(spokenDuration(184_000), "3 minutes 4 seconds");
  equal(spokenDuration(3_661_000), "1 hour 1 minute");
  equal(spokenDuration(200), "less than a second");
});

test("F1", "a guess is a range, and unknown where nobody measured", () => {
  equal(range(48, 70), "48 s – 1 min 10 s");
  equal(range(5.1, 5.4), "about 5 s");
  equal(range(null, 70), "–");
});

test("A14", "times are UTC and relative up to a day", () => {
  const now = Date.parse("2026-11-21T14:04:10.402Z");
  equal(clockTime("2026-11-21T14:04:10.302Z"), "14:04:10");
  equal(clockTime("2026-11-21T14:04:10.302Z", { ms: true }), "14:04:10.302");
  equal(fullTime("2026-11-21T13:58:03.000Z"), "21 November 2026, 13:58:03 UTC");
  equal(ago("2026-11-21T13:58:03.000Z", now), "6 min ago");
  equal(ago("2026-11-21T14:04:09.000Z", now), "just now");
  equal(ago("2026-11-21T14:03:36.402Z", now), "34 s ago");
  equal(ago("2026-11-21T14:04:20.402Z", now), "in 10 s");
  equal(ago("2026-11-19T15:02:00.000Z", now), "19 Nov 15:02");
  equal(since("2026-11-21T14:02:10.402Z", now), "2 min 0 s");
  equal([clockTime("nonsense"), ago(null, now), fullTime(undefined)], ["", "", ""]);
});

test("F2", "the clock of the server counts, not the one of this machine", () => {
  const clock = new ServerClock(() => 1_000_000);
  clock.learn("1970-01-01T00:20:00.000Z");
  equal(clock.now(), 1_200_000);
  clock.learn("not a time");
  equal(clock.now(), 1_200_000);
});
