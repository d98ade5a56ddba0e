/**
 * Orders over ticked jobs: first what would happen, with a reason; then six seconds in which nothing has been sent and
 * everything can be undone; then what the server did, in its own words.
 */
import { plural } from "/static/js/format.js";
import { find, setHidden, setText } from "/static/js/hooks.js";
import { postJson } from "/static/js/http.js";
import { showToast } from "/static/js/toasts.js";
import { sendLater } from "./send_later.js";

const BULK = "/api/v1/admin/tasks/bulk";
const SAID = {
  cancel: { ask: (jobs) => `Cancel ${jobs}?`, go: (jobs) => `Cancel ${jobs}`, doing: (jobs) => `Cancelling ${jobs}`, keep: "Keep them running" },
  retry: { ask: (jobs) => `Run ${jobs} again?`, go: (jobs) => `Run ${jobs} again`, doing: (jobs) => `Running ${jobs} again`, keep: "Leave them" },
  priority: { ask: (jobs, to) => `Set ${jobs} to ${to}?`, go: (jobs, to) => `Set to ${to}`, doing: (jobs, to) => `Setting ${jobs} to ${to}`, keep: "Leave them" },
};

export class JobOrders {
  constructor(root, bar, selection) {
    Object.assign(this, { root, bar, selection, dialog: root.querySelector("#order-dialog") });
    bar.addEventListener("submit", (event) => this.#submitted(event));
  }

  #submitted(event) {
    const [action, priority] = (event.submitter?.value ?? "").split(":");
    if (!SAID[action]) return;
    event.preventDefault();
    this.bar.querySelector("details[open]")?.removeAttribute("open");
    if (event.submitter.getAttribute("aria-disabled") !== "true") this.ask({ action, ...(priority && { priority }) });
  }

  /** Asks the server what the order would do to what is ticked, and the reader whether to give it. */
  async ask(order) {
    const { isAll, ids } = this.selection;
    const chosen = isAll ? { filter: JSON.parse(this.root.dataset.selection) } : { ids };
    let preview;
    try {
      preview = await postJson(BULK, { ...order, ...chosen, dry_run: true });
    } catch (error) {
      return failed(error);
    }
    const found = preview.results.map((each) => each.task_id);
    const reason = await this.#confirm(order, found.length, preview);
    if (reason !== null) this.#later({ ...order, ids: found, ...(reason && { reason }) });
  }

  /** Resolves with the reason, empty for none; with null when it is to be left. */
  #confirm({ action, priority }, number, { summary, matched }) {
    const [said, jobs, dialog] = [SAID[action], plural(number, "job"), this.dialog];
    setText(find(dialog, "dialog-title"), said.ask(jobs, priority));
    const more = matched > number ? ` ${plural(matched, "job")} match; the oldest ${number} are dealt with now.` : "";
    setText(find(dialog, "order-preview"), `${summary}${more} Nothing is sent for 6 seconds after that.`);
    setText(find(dialog, "order-keep"), said.keep);
    const go = find(dialog, "order-go");
    setText(go, said.go(jobs, priority));
    go.classList.toggle("danger", action === "cancel");
    go.classList.toggle("go", action !== "cancel");
    const field = dialog.querySelector("#order-reason");
    field.value = "";
    setHidden(find(dialog, "order-reason"), action === "retry");
    dialog.returnValue = "";
    dialog.showModal();
    return new Promise((resolve) => {
      go.onclick = () => (dialog.returnValue = "go");
      find(dialog, "order-form").onsubmit = () => (dialog.returnValue = "go");
      dialog.addEventListener("close", () => resolve(dialog.returnValue === "go" ? field.value.trim() : null), { once: true });
    });
  }

  #later(order) {
    const title = SAID[order.action].doing(plural(order.ids.length, "job"), order.priority);
    this.selection.clear();
    sendLater({ title, send: () => this.#send(order) });
  }

  async #send(order) {
    try {
      const { summary, results } = await postJson(BULK, order);
      const refused = results.find((each) => each.outcome === "refused");
      showToast({ tone: refused ? "warn" : "ok", role: "status", icon: refused ? "silent" : "completed", title: summary,
        text: refused?.message ?? "", stays: Boolean(refused) });
    } catch (error) {
      failed(error);
    }
  }
}

function failed(error) {
  showToast({ tone: "fail", role: "alert", icon: "failed", title: "Nothing was sent", text: error.message });
}
