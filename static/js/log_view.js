/**
 * The log of one task: shows a window of its lines, follows the end or keeps the reader's place, and says what lacks.
 */
import { count, plural } from "./format.js";
import { find, findAll, revealScripted, setAttribute, setHidden, setText } from "./hooks.js";
import { paintSoon } from "./frame.js";
import { LogList } from "./log_list.js";
import { gapName, lineOf } from "./log_rows.js";
import { LogWindow } from "./log_window.js";

const NEAR_EDGE_PX = 400;

export class LogView {
  #lastTop = 0;
  #pending = null;
  #filtered = null;
  /** How to leave a filter that hides the line somebody asked for. */
  showAll = () => this.filter(null);
  #paint = () => this.#render();

  constructor(panel, stream) {
    this.panel = panel;
    this.stream = stream;
    this.book = stream.log;
    this.scroller = find(panel, "log-scroller");
    this.list = new LogList(find(panel, "log-lines"), this.scroller);
    this.window = new LogWindow();
    this.#adoptRows();
    this.#bindTools();
    revealScripted(panel);
    for (const hook of ["log-earlier", "log-later"]) setHidden(find(panel, hook), true);
    stream.subscribe((_, what) => this.#heard(what));
    this.#want();
    this.changed();
  }

  /** Something that is shown may have changed; it is painted with the next frame. */
  changed() {
    paintSoon(this.#paint);
  }

  setFollow(on) {
    if (on) this.window.follow(this.book.total);
    else this.window.stop(this.book.total);
    this.#want();
    this.changed();
  }

  /** Brings line `n` into view; resolves to its row as soon as the line is here. */
  goTo(n) {
    if (this.#filtered && !this.#filtered.some((line) => line.n === n)) this.showAll();
    this.window.goTo(n, Math.max(this.book.total, n));
    return new Promise((resolve) => {
      this.#pending = { n, resolve };
      this.#want();
      this.changed();
    });
  }

  /** Shows these lines only, or all of them for null. */
  filter(lines) {
    this.#filtered = lines;
    this.changed();
  }

  mark(query) {
    this.list.mark(query, (n) => this.#line(n));
  }

  #line(n) {
    return this.book.get(n) ?? this.#filtered?.find((line) => line.n === n);
  }

  #adoptRows() {
    const rows = findAll(this.panel, "n");
    this.book.add(rows.map(lineOf));
    this.window.from = this.book.total ? Math.max(1, this.book.total - this.window.most + 1) : 1;
    this.window.grow(this.book.total);
  }

  #bindTools() {
    find(this.panel, "log-follow")?.addEventListener("click", () => this.setFollow(!this.window.isFollowing));
    find(this.panel, "log-new")?.addEventListener("click", () => this.setFollow(true));
    find(this.panel, "log-wrap")?.addEventListener("click", ({ currentTarget }) => this.#toggleWrap(currentTarget));
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  #toggleWrap(button) {
    const on = this.scroller.dataset.wrap === "off";
    this.scroller.dataset.wrap = on ? "on" : "off";
    setAttribute(button, "aria-pressed", on);
    this.changed();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const wentUp = scrollTop < this.#lastTop - 1;
    const fromEnd = scrollHeight - clientHeight - scrollTop;
    this.#lastTop = scrollTop;
    if (this.#filtered || this.#pending) return;
    if (wentUp && fromEnd > 4 && this.window.isFollowing) this.setFollow(false);
    if (this.book.missing(this.window.from, this.window.to).length) return; // what is asked for comes first
    if (wentUp && scrollTop < NEAR_EDGE_PX && this.window.extendUp(this.book.total)) this.#want();
    else if (!wentUp && fromEnd < NEAR_EDGE_PX && this.window.extendDown(this.book.total)) this.#want();
    else return;
    this.changed();
  }

  #heard(what) {
    if (what === "freshness") return;
    this.window.grow(this.book.total);
    this.#want();
    this.changed();
  }

  #want() {
    this.stream.fetcher.want(this.window.from, this.window.isFollowing ? Infinity : this.window.to, this.#pending?.n ?? null);
  }

  #render() {
    const items = this.#filtered ?? this.#items();
    const isFollowing = this.window.isFollowing && !this.#filtered;
    this.list.show(items, { toEnd: isFollowing });
    this.#lastTop = this.scroller.scrollTop;
    this.#settlePending();
    this.#paintTools(isFollowing);
    setText(find(this.panel, "log-range"), this.#filtered ? `${plural(items.length, "line")} shown` : this.#rangeWords());
    setHidden(find(this.panel, "log-empty"), this.book.total > 0);
    setAttribute(find(this.panel, "log-search"), "placeholder", `Search all ${plural(this.book.total, "line")}`);
  }

  #items() {
    const { from, to } = this.window;
    const gaps = this.book.missing(from, to);
    const items = [];
    for (let n = Math.max(1, from); n <= to; n += 1) {
      if (gaps[0]?.[0] === n) {
        const [start, end] = gaps.shift();
        items.push({ from: start, to: end, isFailing: this.stream.fetcher.isFailing });
        n = end;
      } else if (this.book.get(n)) {
        items.push(this.book.get(n));
      }
    }
    return items;
  }

  #settlePending() {
    const row = this.#pending && this.list.row(this.#pending.n);
    if (!row) return;
    row.scrollIntoView({ block: "center" });
    this.#lastTop = this.scroller.scrollTop;
    this.#pending.resolve(row);
    this.#pending = null;
  }

  #paintTools(isFollowing) {
    setAttribute(find(this.panel, "log-follow"), "aria-pressed", isFollowing);
    const fresh = this.window.newLines(this.book.total);
    setHidden(find(this.panel, "log-new"), fresh === 0);
    if (fresh) setText(find(this.panel, "log-new-text"), plural(fresh, "new line"));
    const { log_warnings: warnings, log_errors: errors } = this.stream.state.task;
    if (warnings !== undefined) setText(find(this.panel, 'log-count="warning"'), count(warnings));
    if (errors !== undefined) setText(find(this.panel, 'log-count="error"'), count(errors));
  }

  #rangeWords() {
    const { total } = this.book;
    if (!total) return "";
    const { from, to } = this.window;
    const gap = this.book.missing(from, to)[0];
    if (gap) return `${gapName(...gap)} ${gap[0] === gap[1] ? "is" : "are"} ${this.stream.fetcher.isFailing ? "not here yet" : "being fetched"}`;
    const place = this.window.isFollowing ? "" : ". Not following, your place is kept";
    if (from === 1 && to === total) return `Lines 1 to ${count(total)}, none missing${place}`;
    return `Lines ${count(from)} to ${count(to)} of ${count(total)}, none missing${place}`;
  }
}
