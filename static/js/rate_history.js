/** The rates of the last minute, for the little graph and its note. Pure: times and rates in, points and words out. */
import { isKnown, rateNumber } from "./format.js";

const SPAN_MS = 60_000;
const WIDTH = 88;
const HEIGHT = 22;
const MARGIN = 2;

export class RateHistory {
  #samples = [];

  add(atMs, rate) {
    if (!isKnown(rate)) return;
    this.#samples.push({ atMs, rate });
    this.#samples = this.#samples.filter((sample) => sample.atMs >= atMs - SPAN_MS);
  }

  /** A phase counts in its own unit: what was measured before it says nothing about it. */
  clear() {
    this.#samples = [];
  }

  get isDrawable() {
    return this.#samples.length >= 2;
  }

  /** "0.0,11.7 1.5,10.1 …" in a box of 88 × 22, time to the right, from 0 up. */
  points() {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    const top = Math.max(...this.#samples.map((sample) => sample.rate)) || 1;
    const span = Math.max(1, last.atMs - first.atMs);
    const x = ({ atMs }) => ((atMs - first.atMs) / span) * WIDTH;
    const y = ({ rate }) => HEIGHT - MARGIN - (rate / top) * (HEIGHT - 2 * MARGIN);
    return this.#samples.map((sample) => `${x(sample).toFixed(1)},${y(sample).toFixed(1)}`).join(" ");
  }

  area() {
    return `0,${HEIGHT} ${this.points()} ${WIDTH},${HEIGHT}`;
  }

  /** "last 60 s, 38.1 to 58.3"; empty below two samples. */
  note() {
    if (!this.isDrawable) return "";
    const rates = this.#samples.map((sample) => sample.rate);
    const seconds = Math.round((this.#samples.at(-1).atMs - this.#samples[0].atMs) / 1000);
    return `last ${Math.max(1, seconds)} s, ${rateNumber(Math.min(...rates))} to ${rateNumber(Math.max(...rates))}`;
  }
}
