/**
 * Orders over ticked jobs: first what would happen, with a reason; then six seconds in which nothing has been sent and
 * everything can be undone; then what the server did, in its own words.
 */
import { count, plural } from "/static/js/format.js";
import { find, setHidden, setText } from "/static/js/hooks.js";
import { postJson } from "/static/js/http.js";
import { removeToast, showToast } from "/static/js/toasts.js";
import { sendLater } from "./send_later.js";

const BULK = "/api/v1/admin/tasks/bulk";
const AT_ONCE = 50;
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

  /** In pieces, so that the reader sees how far it is; each piece stands for itself. */
  async #send(order) {
    const { ids, ...rest } = order;
    const [counts, refusals] = [new Map(), []];
    const toast = ids.length > AT_ONCE && showToast({ role: "status", icon: "running", title: SAID[order.action].doing(plural(ids.length, "job"), order.priority), text: "", stays: true });
    try {
      for (let start = 0; start < ids.length; start += AT_ONCE) {
        if (toast) setText(find(toast, "toast-text"), `${count(start)} of ${count(ids.length)} are done.`);
        const { results } = await postJson(BULK, { ...rest, ids: ids.slice(start, start + AT_ONCE) });
        for (const { outcome, message } of results) {
          counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
          if (outcome === "refused") refusals.push(message);
        }
      }
    } catch (error) {
      failed(error);
    }
    if (toast) removeToast(toast);
    if (counts.size) this.#tell(counts, refusals[0]);
  }

  #tell(counts, refusal) {
    const words = JSON.parse(this.root.dataset.doneWords);
    const title = Object.keys(words).filter((each) => counts.has(each)).map((each) => `${count(counts.get(each))} ${words[each]}`).join(", ");
    showToast({ tone: refusal ? "warn" : "ok", role: "status", icon: refusal ? "silent" : "completed", title: `${title}.`, text: refusal ?? "", stays: Boolean(refusal) });
  }
}

function failed(error) {
  showToast({ tone: "fail", role: "alert", icon: "failed", title: "The server could not be asked", text: error.message });
}
