/**
 * What is painted on a graph's canvas around uPlot's lines: ground, labels, holes, limit, bars.
 * Colours are the page's computed tokens, read again when the theme changes; sizes are CSS pixels.
 */
import { fiveTimes, timeLabel } from "./graph_scale.js";

const TOKENS = { ink: "--ink", line: "--ink-2", label: "--ink-3", grid: "--line", area: "--hatch", hole: "--control",
  limit: "--warn", limitLine: "--warn-solid", fail: "--fail-solid", failText: "--fail", surface: "--surface" };
const watchers = new Set();
let colours = null;

export function palette() {
  if (!colours) {
    const style = getComputedStyle(document.documentElement);
    colours = Object.fromEntries(Object.entries(TOKENS).map(([name, token]) => [name, style.getPropertyValue(token).trim()]));
    colours.font = style.getPropertyValue("--sans").trim();
  }
  return colours;
}

/** Calls back whenever the colours are others. */
export function onTheme(paint) {
  if (!watchers.size) {
    const changed = () => {
      colours = null;
      watchers.forEach((watcher) => watcher());
    };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
    new MutationObserver(changed).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }
  watchers.add(paint);
}

/** Below the lines: what is missing, three grid lines with their values, five times. */
export function paintGround(u, { holes, top, span, label }) {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const { left, width } = bbox;
  const bottom = bbox.top + bbox.height;
  ctx.save();
  ctx.setLineDash([]); // the second series of the last drawing left its own
  ctx.font = `${11 * px}px ${palette().font}`;
  for (const [from, to] of holes) hatch(u, Math.max(from, span[0]), Math.min(to, span[1]));
  ctx.strokeStyle = palette().grid;
  ctx.fillStyle = palette().label;
  ctx.lineWidth = px;
  ctx.textBaseline = "middle";
  ctx.textAlign = "right";
  for (const value of [0, top / 2, top]) {
    const y = Math.round(u.valToPos(value, "y", true)) + px / 2;
    line(ctx, left, left + width, y);
    ctx.fillText(label(value), left - 6 * px, y);
  }
  ctx.textBaseline = "alphabetic";
  fiveTimes(...span).forEach((at, place) => {
    ctx.textAlign = place === 0 ? "left" : place === 4 ? "right" : "center";
    ctx.fillText(timeLabel(at, span[1] - span[0]), u.valToPos(at, "x", true), bottom + 14 * px);
  });
  ctx.restore();
}

/** Where most values lie, and their median. */
export function paintBand(u, { low, middle, high }) {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const [top, bottom] = [Math.max(bbox.top, u.valToPos(high, "y", true)), u.valToPos(low, "y", true)];
  ctx.save();
  ctx.fillStyle = palette().area;
  ctx.fillRect(bbox.left, top, bbox.width, Math.max(px, bottom - top));
  ctx.strokeStyle = palette().line;
  ctx.lineWidth = px;
  ctx.setLineDash([4 * px, 3 * px]);
  line(ctx, bbox.left, bbox.left + bbox.width, Math.round(u.valToPos(middle, "y", true)) + px / 2);
  ctx.restore();
}

/** The limit, dashed, with its name just inside the graph. */
export function paintLimit(u, { value, name }) {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const y = Math.round(u.valToPos(value, "y", true)) + px / 2;
  ctx.save();
  ctx.strokeStyle = palette().limitLine;
  ctx.lineWidth = px;
  ctx.setLineDash([4 * px, 3 * px]);
  line(ctx, bbox.left, bbox.left + bbox.width, y);
  ctx.font = `${11 * px}px ${palette().font}`;
  ctx.fillStyle = palette().limit;
  const isHigh = y - bbox.top < 14 * px;
  ctx.fillText(name, bbox.left + 4 * px, isHigh ? y + 13 * px : y - 5 * px);
  ctx.restore();
}

/** Counts per step, the failed part on top, red; the step with most of them says how many. */
export function paintBars(u, { stepS, names }) {
  const { ctx, bbox, data: [times, goods, bads] } = u;
  const px = devicePixelRatio;
  const width = Math.max(px, Math.min(22 * px, (bbox.width * stepS * 0.7) / (u.scales.x.max - u.scales.x.min)));
  const middle = (at) => u.valToPos(at + stepS / 2, "x", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, 0, bbox.width, bbox.top + bbox.height);
  ctx.clip();
  times.forEach((at, row) => {
    const [good, bad] = [goods[row] ?? 0, bads[row] ?? 0];
    if (good) bar(u, middle(at) - width / 2, width, 0, good, palette().label);
    if (bad) bar(u, middle(at) - width / 2, width, good, good + bad, palette().fail);
  });
  const worst = bads.reduce((most, bad, row) => ((bad ?? 0) > (bads[most] ?? 0) ? row : most), 0);
  if (bads[worst]) {
    const text = `${bads[worst]} ${names[1]}`;
    ctx.font = `${11 * px}px ${palette().font}`;
    ctx.fillStyle = palette().failText;
    const x = middle(times[worst]) - ctx.measureText(text).width / 2;
    const y = u.valToPos((goods[worst] ?? 0) + bads[worst], "y", true) - 5 * px;
    const last = bbox.left + bbox.width - ctx.measureText(text).width;
    ctx.fillText(text, Math.min(Math.max(x, bbox.left), last), Math.max(y, bbox.top + 10 * px));
  }
  ctx.restore();
}

function bar(u, x, width, low, high, colour) {
  const gap = low ? devicePixelRatio : 0;
  const [from, to] = [u.valToPos(low, "y", true) - gap, u.valToPos(high, "y", true)];
  u.ctx.fillStyle = colour;
  u.ctx.beginPath();
  u.ctx.roundRect(Math.round(x), Math.round(to), Math.round(width), Math.max(1, Math.round(from) - Math.round(to)),
    Math.min(2 * devicePixelRatio, width / 3));
  u.ctx.fill();
}

/** Slanted lines, and no value: nobody measured here. */
function hatch(u, from, to) {
  const { ctx, bbox } = u;
  const px = devicePixelRatio;
  const [left, right] = [u.valToPos(from, "x", true), u.valToPos(to, "x", true)];
  if (right - left < px) return;
  ctx.save();
  ctx.beginPath();
  ctx.rect(left, bbox.top, right - left, bbox.height);
  ctx.clip();
  ctx.strokeStyle = palette().hole;
  ctx.globalAlpha = 0.55;
  ctx.lineWidth = px;
  ctx.beginPath();
  for (let x = left - (left % (6 * px)) - bbox.height; x < right; x += 6 * px) {
    ctx.moveTo(x, bbox.top + bbox.height);
    ctx.lineTo(x + bbox.height, bbox.top);
  }
  ctx.stroke();
  ctx.restore();
}

function line(ctx, from, to, y) {
  ctx.beginPath();
  ctx.moveTo(from, y);
  ctx.lineTo(to, y);
  ctx.stroke();
}
