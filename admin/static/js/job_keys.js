/** Single keys, while the focus is in the list alone: arrows, x, c, r, / and Escape. Typing in a field stays typing. */
import { find, findAll } from "/static/js/hooks.js";

export class JobKeys {
  constructor(root, selection, orders) {
    Object.assign(this, { root, selection, orders });
    find(root, "jobs-region").addEventListener("keydown", (event) => this.#pressed(event));
  }

  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=checkbox]), textarea, select")) return;
    const row = event.target.closest("[data-task]");
    const act = {
      ArrowDown: () => this.#move(row, 1),
      ArrowUp: () => this.#move(row, -1),
      x: () => row && this.selection.toggle(row),
      c: () => this.#order(row, "cancel"),
      r: () => this.#order(row, "retry"),
      "/": () => find(this.root, "list-search").focus(),
      Escape: () => this.selection.clear(),
    }[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  }

  #move(row, step) {
    const rows = findAll(this.root, "task");
    const next = rows[row ? rows.indexOf(row) + step : 0];
    if (!next) return;
    find(next, "title").focus();
    next.scrollIntoView({ block: "nearest" });
  }

  /** Over what is ticked; with nothing ticked, over the row that has the focus. */
  #order(row, action) {
    if (this.selection.count === 0 && row) this.selection.toggle(row);
    if (this.selection.count > 0) this.orders.ask({ action });
  }
}
