/** Which jobs are ticked, or all that match; and the bar that says so and what can be done to them. */
import { count, plural } from "/static/js/format.js";
import { find, findAll, setAttribute, setHidden, setText } from "/static/js/hooks.js";

const FINAL = new Set(["completed", "failed", "cancelled"]);

export class JobSelection {
  isAll = false;

  constructor(root, bar, statusOf) {
    Object.assign(this, { root, bar, statusOf, total: Number(root.dataset.total) });
    bar.classList.add("floats");
    root.addEventListener("change", (event) => this.#changed(event.target));
    find(bar, "order-all").addEventListener("click", () => this.selectAllThatMatch());
    find(bar, "order-clear").addEventListener("click", () => this.clear());
    this.paint();
  }

  get rows() {
    return findAll(this.root, "task").filter((row) => find(row, "tick").checked);
  }

  get ids() {
    return this.rows.map((row) => row.dataset.task);
  }

  get count() {
    return this.isAll ? this.total : this.rows.length;
  }

  toggle(row) {
    const tick = find(row, "tick");
    tick.checked = !tick.checked;
    this.isAll = false;
    this.paint();
  }

  selectAllThatMatch() {
    this.isAll = true;
    this.paint();
  }

  clear() {
    for (const row of this.rows) find(row, "tick").checked = false;
    this.isAll = false;
    this.paint();
  }

  #changed(target) {
    if (target.matches("[data-tick-all]")) for (const tick of findAll(this.root, "tick")) tick.checked = target.checked;
    else if (!target.matches("[data-tick]")) return;
    this.isAll = false;
    this.paint();
  }

  paint() {
    const rows = this.rows;
    const all = find(this.root, "tick-all");
    all.checked = rows.length > 0 && rows.length === findAll(this.root, "task").length;
    all.indeterminate = rows.length > 0 && !all.checked;
    setHidden(this.bar, this.count === 0);
    if (this.count === 0) return;
    setText(find(this.bar, "order-count"), this.isAll ? `All ${count(this.total)} that match` : `${count(rows.length)} selected`);
    setHidden(find(this.bar, "order-all"), this.isAll || this.total <= rows.length);
    const statuses = rows.map((row) => this.statusOf(row));
    const has = (fits) => this.isAll || statuses.some(fits);
    this.#allow("order-cancel", has((status) => !FINAL.has(status)), "All of them have ended.");
    this.#allow("order-retry", has((status) => FINAL.has(status)), "None of them has ended.");
    this.#allow("order-priority", has((status) => status === "queued"), "None of them waits.");
    setText(find(this.bar, "order-cancel-words"), `Cancel ${plural(this.count, "job")}`);
  }

  #allow(name, isAllowed, reason) {
    const control = find(this.bar, name);
    if ("disabled" in control) control.disabled = !isAllowed;
    setAttribute(control, "aria-disabled", isAllowed ? null : "true");
    setAttribute(control, "title", isAllowed ? null : reason);
  }
}
