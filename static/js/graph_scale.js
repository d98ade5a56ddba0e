/** The arithmetic of graphs, without a page: round tops, five times, and where samples are missing. Times in seconds. */
const ROUND = [1, 1.2, 1.6, 2, 3, 4, 6, 8, 10];
const HOLE = 2.2; // steps without a sample that are more than a late one
const DAY_S = 86_400;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** The least round number from `top` up; half of it is round too. Of whole things at least 2. */
export function ceiling(top, { whole = false } = {}) {
  const least = whole ? Math.max(top, 2) : top;
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  const found = ROUND.find((step) => step * power >= least * (1 - 1e-9) && (!whole || Number.isInteger((step * power) / 2)));
  return Number((found * power).toPrecision(3));
}

/** Five moments from `from` to `to`, both included. */
export function fiveTimes(from, to) {
  return [0, 1, 2, 3, 4].map((quarter) => from + ((to - from) * quarter) / 4);
}

/** "13:04", and over more than a day "20 Nov"; UTC like every clock of the product. */
export function timeLabel(at, spanS) {
  const when = new Date(at * 1000);
  if (spanS > DAY_S * 1.5) return `${when.getUTCDate()} ${MONTHS[when.getUTCMonth()]}`;
  return when.toISOString().slice(11, 16);
}

/** "13:49", "13:49:10" for steps below a minute, "20 Nov 13:40" over more than a day. */
export function momentLabel(at, spanS, stepS) {
  const clock = new Date(at * 1000).toISOString().slice(11, stepS < 60 ? 19 : 16);
  return spanS > DAY_S * 0.9 ? `${timeLabel(at, DAY_S * 7)} ${clock}` : clock;
}

/** 1500 → "1.5k": at most four characters beside an axis. */
export function compact(value) {
  if (value >= 1e9) return `${Number((value / 1e9).toPrecision(2))}G`;
  if (value >= 1e6) return `${Number((value / 1e6).toPrecision(2))}M`;
  if (value >= 1000) return `${Number((value / 1000).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

/**
 * A row without values goes into every hole, so that no line joins across it. Returns the rows and the spans of the
 * holes, those at both ends too; `isKnown(row)` says whether a sample knows what is drawn.
 */
export function withHoles({ times, columns, from, to, stepS, isKnown = () => true }) {
  const rows = { times: [], columns: columns.map(() => []) };
  const holes = [];
  const wide = stepS * HOLE;
  let known = from;
  times.forEach((at, row) => {
    if (at < from - stepS) return;
    if (isKnown(row)) {
      if (at - known > wide) {
        holes.push([known, at]);
        if (rows.times.length && rows.times.at(-1) < at - stepS) put(rows, at - stepS / 2, () => null);
      }
      known = at;
    }
    put(rows, at, (column) => columns[column][row] ?? null);
  });
  if (to - known > wide) holes.push([known, to]);
  return { ...rows, holes };
}

function put(rows, at, value) {
  rows.times.push(at);
  rows.columns.forEach((column, number) => column.push(value(number)));
}
