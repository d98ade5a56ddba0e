/**
 * The one graph of the product: uPlot with the look of the design. A page has any number; they share one crosshair.
 *
 *   <figure class="graph" data-graph="queued">… <span data-graph-note></span> … <div class="graph-area" data-graph-area></div></figure>
 *   const graph = new Graph(figure, { title: "Queued", unit: "tasks", series: [{ key: "queued_jobs", name: "queued" }] });
 *   graph.show({ from, to, step_s, times, series: { queued_jobs: [4, null, 3] } });   // times in Unix seconds, ascending
 *   graph.extend(at, { queued_jobs: 5 });                                             // one sample more, live
 *
 * A shape has `title`, `unit`, `series` (at most two: `{ key, name, dashed, fold }`), and may have `kind: "bars"` (then the
 * second series is the failed part, stacked on the first) or `kind: "dots"` (of single things; the second series failed; then
 * `setBand` shows what is usual), `limit: { value, name }`, `top` (a fixed one), `whole` (no
 * halves), `scale` (what values are multiplied by), `write` (a value in words), `isQuiet` (null where nothing happened,
 * which is no hole). `fold(old, value)` joins live samples of one step; without it the newest stands.
 */
import uPlot from "../vendor/uplot.esm.min.js";
import { plainValue, UNKNOWN } from "./format.js";
import { setAttribute, setText } from "./hooks.js";
import { onTheme, paintBand, paintBars, paintGround, paintLimit, palette } from "./graph_paint.js";
import { ceiling, compact, momentLabel, withHoles } from "./graph_scale.js";
import { GraphTable } from "./graph_table.js";

const PADDING = [8, 4, 18, 34]; // room for the labels that are painted here
const NEAR = 0.25; // of a limit
const KEYS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

export class Graph {
  #shape;
  #area;
  #note;
  #noteText;
  #plot = null;
  #table;
  #kept = null;
  #isStale = false;
  #drawn = { holes: [], top: 1, span: [0, 1] };

  constructor(figure, shape) {
    this.#shape = { kind: "line", scale: 1, unit: "", ...shape };
    this.#area = figure.querySelector("[data-graph-area]");
    this.#note = figure.querySelector("[data-graph-note]");
    this.#noteText = this.#note?.textContent ?? "";
    this.#table = new GraphTable(figure, this.#area, shape.title);
    this.#area.addEventListener("keydown", (event) => this.#move(event));
    this.#area.addEventListener("blur", () => this.#point(-10));
    new ResizeObserver(() => this.#fit()).observe(this.#area);
    onTheme(() => this.#plot?.redraw());
    document.addEventListener("visibilitychange", () => !document.hidden && this.#isStale && this.#draw());
  }

  /** The whole range anew. */
  show(history) {
    this.#kept = { ...history, series: { ...history.series }, times: [...history.times] };
    for (const { key } of this.#shape.series) this.#kept.series[key] = [...(history.series[key] ?? [])];
    this.#draw();
  }

  /** One live sample: into its step, or as the next one; what falls out of the range is forgotten. */
  extend(at, values) {
    const kept = this.#kept;
    if (!kept) return;
    const { times, series, step_s: stepS } = kept;
    const step = Math.floor(at / stepS) * stepS;
    const isNew = !times.length || step > times.at(-1);
    if (isNew) times.push(step);
    for (const { key, fold } of this.#shape.series) {
      const value = values[key] ?? null;
      const old = isNew ? null : (series[key].at(-1) ?? null);
      series[key][times.length - 1] = old === null || value === null || !fold ? (value ?? old) : fold(old, value);
    }
    kept.from += Math.max(0, at - kept.to);
    kept.to = Math.max(at, kept.to);
    while (times.length && times[0] < kept.from - stepS) {
      times.shift();
      for (const { key } of this.#shape.series) series[key].shift();
    }
    if (document.hidden) this.#isStale = true;
    else this.#draw();
  }

  /** What stands beside the title while nobody points at the graph. */
  setNote(text) {
    this.#noteText = text;
    if (this.#plot?.cursor.idx === null || !this.#plot) setText(this.#note, text);
  }

  setLimit(limit) {
    this.#shape.limit = limit;
    if (this.#kept) this.#draw();
  }

  /** The numbers in place of the picture. */
  showTable(isShown) {
    this.#table.toggle(isShown);
    if (isShown) this.#tell();
    else this.#fit();
  }

  /** Between `low` and `high` most values lie, half of them below `middle`; null for none. */
  setBand(band) {
    this.#shape.band = band;
  }

  #draw() {
    this.#isStale = false;
    const { times, series, from, to, step_s: stepS } = this.#kept;
    const { scale, limit, top, whole, isQuiet, kind } = this.#shape;
    const columns = this.#shape.series.map(({ key }) => series[key].map((value) => (value === null ? null : value * scale)));
    const isKnown = isQuiet ? () => true : (row) => (columns[0][row] ?? null) !== null;
    const rows = withHoles({ times, columns, from, to, stepS, isKnown });
    const highest = kind === "bars" ? rows.times.map((_, row) => rows.columns.reduce((sum, column) => sum + (column[row] ?? 0), 0))
      : rows.columns.flat();
    const most = highest.reduce((one, other) => Math.max(one, other ?? 0), 0);
    this.#drawn = { holes: rows.holes, span: [from, to],
      top: top ?? ceiling(Math.max(most, limitRoom(limit, scale, most)), { whole }) };
    const data = [rows.times, ...rows.columns];
    if (this.#plot) this.#plot.setData(data);
    else this.#plot = this.#make(data);
    this.#describe();
    if (this.#table.isShown) this.#tell();
  }

  #make(data) {
    const shape = this.#shape;
    const [isBars, isDots] = [shape.kind === "bars", shape.kind === "dots"];
    const filter = (u, series) => alone(u.data[series]);
    const lines = shape.series.map(({ dashed }, number) => ({
      width: 1.5, stroke: () => palette().line, dash: dashed ? [3, 3] : undefined, spanGaps: false,
      fill: dashed || isBars || isDots ? undefined : () => palette().area, paths: isBars || isDots ? () => null : undefined,
      points: { show: isDots, size: isDots ? 5 : 4, width: 0, fill: () => (isDots && number ? palette().fail : palette().line),
        filter: isBars ? () => null : isDots ? undefined : filter },
    }));
    return new uPlot({
      ...this.#size(), padding: PADDING, legend: { show: false }, pxAlign: 1,
      axes: [{ show: false }, { show: false }],
      scales: { x: { time: true, range: () => this.#drawn.span }, y: { range: () => [0, this.#drawn.top] } },
      series: [{}, ...lines],
      cursor: {
        y: false, drag: { x: false, y: false, setScale: false }, sync: { key: "page", scales: ["x", null] },
        points: { ...(isBars && { show: false }), size: 8, width: 1.5, fill: () => palette().ink, stroke: () => palette().surface },
      },
      hooks: {
        drawClear: [(u) => {
          if (shape.band) paintBand(u, shape.band);
          paintGround(u, { ...this.#drawn, label: compact });
        }],
        draw: [(u) => {
          if (isBars) paintBars(u, { stepS: this.#kept.step_s, names: shape.series.map(({ name }) => name) });
          if (shape.limit && shape.limit.value * shape.scale <= this.#drawn.top) paintLimit(u, { value: shape.limit.value * shape.scale, name: shape.limit.name });
        }],
        setCursor: [(u) => this.#read(u.cursor.idx ?? null)],
      },
    }, data, this.#area);
  }

  #size() {
    return { width: Math.max(120, this.#area.clientWidth), height: this.#area.clientHeight };
  }

  #fit() {
    if (this.#plot && this.#area.clientWidth && this.#area.clientWidth !== this.#plot.width) this.#plot.setSize(this.#size());
  }

  /** The crosshair reads its values out beside the title, and to who cannot see it. */
  #read(row) {
    setText(this.#note, row === null ? this.#noteText : this.#reading(row));
    if (row === null) return;
    setAttribute(this.#area, "aria-valuenow", row);
    setAttribute(this.#area, "aria-valuetext", this.#words(row));
  }

  #words(row) {
    const [times, ...columns] = this.#plot.data;
    const said = this.#shape.series.map(({ name }, number) => {
      const value = this.#write(columns[number][row]);
      return this.#shape.series.length > 1 ? `${value} ${name}` : value;
    }).filter((_, number) => this.#shape.kind !== "dots" || columns[number][row] !== null);
    return `${this.#moment(times[row])}: ${said.join(", ")}`;
  }

  /** The same for the little room beside the title. */
  #reading(row) {
    const [times, ...columns] = this.#plot.data;
    if (this.#shape.kind !== "line") return this.#words(row);
    const values = columns.map((column) => this.#write(column[row], ""));
    return `${this.#moment(times[row])}: ${values.join(" / ")} ${this.#shape.unit}`.trimEnd();
  }

  #moment(at) {
    const [from, to] = this.#drawn.span;
    return momentLabel(at, to - from, this.#kept.step_s);
  }

  #write(value, unit = this.#shape.unit) {
    if (value === null || value === undefined) return UNKNOWN;
    const text = this.#shape.write ? this.#shape.write(value) : plainValue(Number(value.toPrecision(3)));
    return unit ? `${text} ${unit}` : text;
  }

  #describe() {
    const last = this.#plot.data[0].length - 1;
    setAttribute(this.#area, "tabindex", "0");
    setAttribute(this.#area, "role", last < 0 ? "img" : "slider");
    setAttribute(this.#area, "aria-label", `${this.#shape.title}, ${last < 0 ? "no data yet" : "over time"}`);
    setAttribute(this.#area, "aria-valuemin", last < 0 ? null : 0);
    setAttribute(this.#area, "aria-valuemax", last < 0 ? null : last);
    if (last < 0 || this.#plot.cursor.idx !== null) return;
    setAttribute(this.#area, "aria-valuenow", last);
    setAttribute(this.#area, "aria-valuetext", this.#words(last));
  }

  #move(event) {
    if (event.key === "Escape") this.#point(-10);
    if (!(event.key in KEYS) || !this.#plot?.data[0].length) return;
    event.preventDefault();
    const times = this.#plot.data[0];
    const from = this.#plot.cursor.idx ?? times.length - (event.key === "ArrowLeft" ? 0 : 1);
    const row = Math.min(times.length - 1, Math.max(0, from + KEYS[event.key]));
    this.#point(this.#plot.valToPos(times[row], "x"));
  }

  #point(left) {
    this.#plot?.setCursor({ left, top: 0 }, true, true);
  }

  #tell() {
    if (!this.#plot) return;
    const [times, ...columns] = this.#plot.data;
    const rows = times.map((at, row) => [this.#moment(at), ...columns.map((column) => this.#write(column[row]))]);
    this.#table.fill(["Time (UTC)", ...this.#shape.series.map(({ name }) => name)], rows.toReversed());
  }
}

/** A button that turns every graph of the page into its numbers, and back. */
export function tableToggle(element, graphs) {
  element?.addEventListener("click", () => {
    const isShown = element.getAttribute("aria-pressed") !== "true";
    element.setAttribute("aria-pressed", String(isShown));
    graphs.forEach((graph) => graph.showTable(isShown));
  });
}

/** Room for a limit that the values come near; one far above them would press them flat, and its name stands beside. */
function limitRoom(limit, scale, most) {
  return limit && most >= limit.value * scale * NEAR ? limit.value * scale * 1.15 : 0;
}

/** Samples with a hole on either side, of which no line can be drawn. */
function alone(values) {
  const rows = [];
  values.forEach((value, row) => value !== null && (values[row - 1] ?? null) === null && (values[row + 1] ?? null) === null && rows.push(row));
  return rows.length ? rows : null;
}
