/**
 * The current line of the log: arrows move it, only its number is in the tab order, the address names it (#L42), and
 * the foot offers its link.
 */
import { copyText } from "./clipboard.js";
import { count } from "./format.js";
import { find, setHidden, setText } from "./hooks.js";

const MOVES = { ArrowUp: (rows, at) => rows[at - 1], ArrowDown: (rows, at) => rows[at + 1],
  Home: (rows) => rows[0], End: (rows) => rows.at(-1) };

export class LogKeys {
  #current = null;

  constructor(view) {
    this.view = view;
    this.copy = find(view.panel, "log-copy");
    view.scroller.addEventListener("keydown", (event) => this.#pressed(event));
    view.scroller.addEventListener("click", (event) => this.#clicked(event));
    this.copy?.addEventListener("click", () => this.#copyLink());
    window.addEventListener("hashchange", () => this.goToAddress());
    this.goToAddress();
  }

  /** The line the address names, fetched if need be. */
  async goToAddress() {
    const n = Number(/^#L(\d+)$/.exec(location.hash)?.[1]);
    if (n > 0) this.#choose(await this.view.goTo(n));
  }

  #pressed(event) {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    const rows = [...this.view.scroller.querySelectorAll("[data-n]")];
    const at = rows.indexOf(this.#current);
    const next = at < 0 ? rows.at(-1) : move(rows, at);
    event.preventDefault();
    if (!next) return;
    this.view.setFollow(false);
    this.#choose(next);
    next.scrollIntoView({ block: "nearest" });
    find(next, "log-number").focus({ preventScroll: true });
  }

  #clicked(event) {
    const number = event.target.closest("[data-log-number]");
    if (number) this.#choose(number.closest("[data-n]"));
  }

  #choose(row) {
    this.#current?.removeAttribute("data-current");
    const before = this.#current && find(this.#current, "log-number");
    if (before) before.tabIndex = -1;
    this.#current = row;
    row.dataset.current = "";
    find(row, "log-number").tabIndex = 0;
    setHidden(this.copy, false);
    setText(this.copy, `Copy link to line ${count(Number(row.dataset.n))}`);
  }

  async #copyLink() {
    const address = new URL(location.href);
    address.hash = `L${this.#current.dataset.n}`;
    await copyText(address.href, this.copy);
  }
}
