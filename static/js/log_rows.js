/** The rows of the log as elements: a line, a gap, and the marks of a search in a line. Text is only ever text. */
import { count } from "./format.js";
import { find, fromTemplate, setText } from "./hooks.js";
import { clockTime } from "./time.js";

const LEVEL_WORD = { debug: "DEBUG", info: "INFO", warning: "WARN", error: "ERROR" };

export function lineRow(line, query) {
  const row = fromTemplate("logline");
  row.id = `L${line.n}`;
  row.dataset.n = line.n;
  row.dataset.level = LEVEL_WORD[line.level] ? line.level : "info";
  const number = find(row, "log-number");
  number.href = `#L${line.n}`;
  number.tabIndex = -1;
  setText(number, count(line.n));
  const time = find(row, "log-time");
  time.dateTime = line.at ?? "";
  setText(time, clockTime(line.at, { ms: true }));
  setText(find(row, "log-level"), LEVEL_WORD[row.dataset.level]);
  writeText(row, line.text, query);
  return row;
}

/** A row that the server rendered, as the line it shows. */
export function lineOf(row) {
  return { n: Number(row.dataset.n), at: find(row, "log-time")?.dateTime ?? null, level: row.dataset.level,
    text: find(row, "log-text").textContent };
}

/** The text with a place to break after each "/", and each occurrence of `query` marked. */
export function writeText(row, text, query) {
  const nodes = [];
  for (const { part, isMatch } of splitByQuery(text, query)) {
    if (!isMatch) nodes.push(...breakable(part));
    else nodes.push(Object.assign(document.createElement("mark"), { textContent: part }));
  }
  find(row, "log-text").replaceChildren(...nodes);
}

export function gapRow(from, to, isFailing) {
  const row = fromTemplate("loggap");
  writeGap(row, from, to, isFailing);
  return row;
}

export function writeGap(row, from, to, isFailing) {
  row.dataset.gapFrom = from;
  row.dataset.gapTo = to;
  setText(find(row, "gap-text"), `${gapName(from, to)} ${from === to ? "is" : "are"} ${isFailing ? "not here yet" : "being fetched"}`);
}

export function gapName(from, to) {
  return from === to ? `Line ${count(from)}` : `Lines ${count(from)} to ${count(to)}`;
}

/** Pure: the text cut into parts that match and parts that do not, ignoring case. */
export function splitByQuery(text, query) {
  if (!query) return [{ part: text, isMatch: false }];
  const parts = [];
  const [inside, wanted] = [text.toLowerCase(), query.toLowerCase()];
  let at = 0;
  for (let hit = inside.indexOf(wanted); hit >= 0 && inside.length === text.length; hit = inside.indexOf(wanted, at)) {
    if (hit > at) parts.push({ part: text.slice(at, hit), isMatch: false });
    parts.push({ part: text.slice(hit, hit + wanted.length), isMatch: true });
    at = hit + wanted.length;
  }
  if (at < text.length || !parts.length) parts.push({ part: text.slice(at), isMatch: false });
  return parts;
}

function breakable(text) {
  const nodes = [];
  for (const piece of text.split(/(?<=\/)(?=[^/])/)) nodes.push(document.createTextNode(piece), document.createElement("wbr"));
  nodes.pop();
  return nodes;
}
