/**
 * Searching and filtering the whole log on the server: matches are counted there and walked through with previous and
 * next; a level shows its lines alone. Lines that come later join in when they match.
 */
import { count, plural } from "./format.js";
import { find, findAll, setAttribute, setHidden, setText } from "./hooks.js";

const SETTLE_MS = 250;
const MOST = 2_000;

export class LogSearch {
  #matches = [];
  #at = -1;
  #query = "";
  #timer = null;
  #level = "all";
  #levelLines = [];

  /** `ask({q, level, from, limit})` resolves to the API's answer; `announce(text)` tells a screen reader. */
  constructor(view, { ask, announce }) {
    Object.assign(this, { view, ask, announce });
    view.showAll = () => this.#choose("all");
    this.input = find(view.panel, "log-search");
    this.input?.addEventListener("input", () => this.#typed());
    this.input?.addEventListener("keydown", (event) => this.#key(event));
    find(view.panel, "log-next")?.addEventListener("click", () => this.#step(1));
    find(view.panel, "log-prev")?.addEventListener("click", () => this.#step(-1));
    for (const button of findAll(view.panel, "log-level-filter")) {
      button.addEventListener("click", (event) => {
        event.preventDefault();
        this.#choose(button.dataset.logLevelFilter);
      });
    }
    this.input?.form?.addEventListener("submit", (event) => event.preventDefault());
    this.#takeAddress();
    view.stream.subscribe((_, what, lines) => what === "log" && lines && this.#arrived(lines));
  }

  /** What the address asked the server for before scripts ran. */
  #takeAddress() {
    const level = new URLSearchParams(location.search).get("level");
    if (level === "warning" || level === "error") this.#choose(level);
    if (this.input?.value) this.#search(this.input.value.trim());
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#search(this.input.value.trim()), SETTLE_MS);
  }

  #key(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.#step(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape" && this.input.value) {
      event.preventDefault();
      this.input.value = "";
      this.#search("");
    }
  }

  async #search(query) {
    if (query === this.#query) return;
    this.#query = query;
    this.#matches = [];
    this.#at = -1;
    this.view.mark(query);
    if (query) {
      const lines = await this.#askAll({ q: query });
      if (lines === null || query !== this.#query) return;
      this.#matches = lines.map((line) => line.n);
      this.announce(`${plural(this.#matches.length, "line")} found.`);
      if (this.#matches.length) this.#step(this.#firstFromHere() + 1);
    }
    this.#paint();
  }

  /** The first match at or below the top of what is shown. */
  #firstFromHere() {
    const first = this.#matches.findIndex((n) => n >= this.view.window.from);
    return first < 0 ? 0 : first;
  }

  async #step(by) {
    if (!this.#matches.length) return;
    const many = this.#matches.length;
    this.#at = (((this.#at + by) % many) + many) % many;
    this.#paint();
    const row = await this.view.goTo(this.#matches[this.#at]);
    for (const mark of this.view.scroller.querySelectorAll("mark[data-current]")) mark.removeAttribute("data-current");
    for (const mark of row.querySelectorAll("mark")) mark.dataset.current = "";
  }

  async #choose(level) {
    this.#level = level;
    for (const button of findAll(this.view.panel, "log-level-filter")) {
      setAttribute(button, "aria-current", button.dataset.logLevelFilter === level ? "true" : null);
    }
    if (level === "all") return this.view.filter(null);
    const lines = await this.#askAll({ level });
    if (lines === null || this.#level !== level) return;
    this.#levelLines = lines.filter((line) => this.#isShown(line));
    this.view.filter(this.#levelLines);
  }

  /** "Warnings" are warnings and worse. */
  #isShown({ level }) {
    return level === "error" || (level === "warning" && this.#level === "warning");
  }

  #arrived(lines) {
    if (this.#level !== "all") {
      const known = this.#levelLines.at(-1)?.n ?? 0;
      this.#levelLines = [...this.#levelLines, ...lines.filter((line) => this.#isShown(line) && line.n > known)].slice(-MOST);
      this.view.filter(this.#levelLines);
    }
    if (!this.#query) return;
    const [query, known] = [this.#query.toLowerCase(), this.#matches.at(-1) ?? 0];
    const found = lines.filter((line) => line.n > known && line.text.toLowerCase().includes(query));
    if (found.length) this.#matches = [...this.#matches, ...found.map((line) => line.n)];
    this.#paint();
  }

  /** All pages of an answer up to what can be shown; null when the server could not be asked. */
  async #askAll(question) {
    const lines = [];
    try {
      for (let from = 1; from && lines.length < MOST;) {
        const answer = await this.ask({ ...question, from, limit: 500 });
        lines.push(...answer.lines);
        from = answer.lines.length && answer.next_line > from && answer.next_line <= answer.total_lines ? answer.next_line : null;
      }
    } catch (error) {
      setText(find(this.view.panel, "log-matches"), error.message);
      setHidden(find(this.view.panel, "log-matches"), false);
      return null;
    }
    return lines;
  }

  #paint() {
    const many = this.#matches.length;
    for (const hook of ["log-matches", "log-prev", "log-next"]) setHidden(find(this.view.panel, hook), !this.#query);
    setText(find(this.view.panel, "log-matches"), many ? `${count(this.#at + 1)} of ${count(many)}` : "none");
  }
}
