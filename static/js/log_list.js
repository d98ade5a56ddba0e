/**
 * Keeps the list of rows equal to the lines that should be there. Rows that stay are not touched, so that selection and
 * focus in them survive; the line at the top of the view stays where it is while others come and go above it.
 */
import { gapRow, lineRow, writeGap, writeText } from "./log_rows.js";

export class LogList {
  #rows = new Map();
  #gaps = [];
  #query = "";

  constructor(list, scroller) {
    this.list = list;
    this.scroller = scroller;
    for (const row of list.querySelectorAll("[data-n]")) this.#rows.set(Number(row.dataset.n), row);
  }

  row(n) {
    return this.#rows.get(n);
  }

  /** `items` by rising n: lines, or `{from, to, isFailing}` for what lacks. */
  show(items, { toEnd }) {
    const anchor = toEnd ? null : this.#anchor();
    this.#reconcile(items);
    if (toEnd) this.scroller.scrollTop = this.scroller.scrollHeight;
    else if (anchor?.row.isConnected) this.scroller.scrollTop += anchor.row.getBoundingClientRect().top - anchor.top;
  }

  /** Marks what matches in every row; lines that come later are marked as they come. */
  mark(query, lineAt) {
    if (query === this.#query) return;
    this.#query = query;
    for (const [n, row] of this.#rows) {
      const line = lineAt(n);
      if (line) writeText(row, line.text, query);
    }
  }

  /** What goes is taken out first, so that the rows that stay are never moved. */
  #reconcile(items) {
    const wanted = new Set(items.map((item) => item.n));
    const spareGaps = this.#gaps;
    this.#gaps = [];
    for (const gap of spareGaps) gap.remove();
    for (const [n, row] of this.#rows) {
      if (wanted.has(n)) continue;
      row.remove();
      this.#rows.delete(n);
    }
    let cursor = this.list.firstElementChild;
    for (const item of items) {
      const row = item.n ? this.#lineRow(item) : this.#gapRow(item, spareGaps);
      if (row === cursor) cursor = cursor.nextElementSibling;
      else this.list.insertBefore(row, cursor);
    }
  }

  #lineRow(line) {
    let row = this.#rows.get(line.n);
    if (!row) this.#rows.set(line.n, (row = lineRow(line, this.#query)));
    return row;
  }

  #gapRow({ from, to, isFailing }, spare) {
    const row = spare.shift() ?? gapRow(from, to, isFailing);
    writeGap(row, from, to, isFailing);
    this.#gaps.push(row);
    return row;
  }

  #anchor() {
    const top = this.scroller.getBoundingClientRect().top;
    const rows = this.list.children;
    let [low, high] = [0, rows.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom <= top) low = middle + 1;
      else high = middle;
    }
    const row = rows[low];
    return row ? { row, top: row.getBoundingClientRect().top } : null;
  }
}
