/**
 * Asking to cancel, in the dialog: over the connection while there is one, else over HTTP. What became impossible
 * meanwhile is disabled in place, with the reason.
 */
import { markChanged } from "./guarded_clicks.js";
import { find, setText } from "./hooks.js";
import { postJson } from "./http.js";
import { isFinal } from "./task_reducer.js";

export class CancelAction {
  constructor(root, stream, connection) {
    Object.assign(this, { root, stream, connection });
    this.form = find(root, "cancel-form");
    this.form?.addEventListener("submit", (event) => this.#submit(event));
  }

  /** Keeps the buttons true to the task. */
  paint(task) {
    const opener = find(this.root, 'action="cancel"');
    const submit = this.form?.querySelector("button:not([type=button])");
    if (isFinal(task.status)) {
      this.#disable(submit, `It has ended meanwhile: ${task.status}.`);
      if (opener && !opener.hasAttribute("aria-disabled")) this.#disable(opener, `It has ended: ${task.status}.`);
    } else if (task.cancel_requested) {
      this.#disable(submit, "Cancel was asked for already.");
      this.#disable(opener, "Cancel was asked for already.", "Cancelling");
    }
  }

  async #submit(event) {
    event.preventDefault();
    const submit = event.submitter;
    if (submit) submit.disabled = true;
    const reason = new FormData(this.form).get("reason")?.trim() || undefined;
    try {
      const answer = await this.#send(reason);
      this.stream.learn({ cancel_requested: true, cancel_requested_at: answer.cancel_requested_at ?? null });
      this.form.closest("dialog")?.close();
    } catch (error) {
      setText(find(this.form, "cancel-text"), error.message);
      if (submit) submit.disabled = error.code === "conflict";
    }
  }

  #send(reason) {
    const taskId = this.stream.taskId;
    if (this.connection.isConnected) return this.connection.request("cancel_task", { task_id: taskId, reason });
    return postJson(`/api/v1/tasks/${encodeURIComponent(taskId)}/cancel`, { reason });
  }

  #disable(element, reason, words = null) {
    if (!element || element.title === reason) return;
    element.title = reason;
    markChanged(element);
    if ("disabled" in element) element.disabled = true;
    element.setAttribute("aria-disabled", "true");
    element.removeAttribute("data-open-dialog");
    if (element.localName === "a") element.removeAttribute("href");
    if (words && element.lastChild?.nodeType === Node.TEXT_NODE) element.lastChild.data = words;
  }
}
