/**
 * Files go ahead of the form, one request for all of them, with a bar that says how far they are. The form then carries
 * the id of the upload alone. Without this script the form carries the files itself.
 */
import { find, setAttribute, setHidden, setText } from "./hooks.js";
import { announcer } from "./page_announcer.js";

const UPLOADS = "/captions/uploads";
const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content ?? "";

class UploadField {
  #request = null;
  #waiting = false;

  constructor(wrapper) {
    this.wrapper = wrapper;
    this.form = wrapper.closest("form");
    this.input = find(wrapper, "upload-input");
    this.id = find(wrapper, "upload-id");
    this.last = this.id.value;
    this.most = Number(wrapper.dataset.uploadMost);
    this.input.removeAttribute("name");
    this.input.addEventListener("change", () => this.#send([...this.input.files]));
    find(wrapper, "upload-stop").addEventListener("click", () => this.#request?.abort());
    find(wrapper, "upload-remove").addEventListener("click", () => this.#forget());
    // Before start_form.js counts a form as sent: one that still waits for its files has not been.
    this.form.addEventListener("submit", (event) => this.#holdBack(event), { capture: true });
    for (const name of ["dragover", "dragleave", "drop"]) wrapper.addEventListener(name, (event) => this.#drag(event));
    setHidden(find(wrapper, "upload-remove"), !this.id.value);
  }

  #drag(event) {
    event.preventDefault();
    this.wrapper.toggleAttribute("data-over", event.type === "dragover");
    if (event.type === "drop") this.#send([...event.dataTransfer.files]);
  }

  #holdBack(event) {
    if (!this.#request) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    this.#waiting = true;
    setText(find(this.wrapper, "upload-percent"), "The job starts when the files are there.");
  }

  #send(files) {
    if (!files.length) return;
    this.#request?.abort();
    this.#say("");
    const total = files.reduce((sum, file) => sum + file.size, 0);
    if (total > this.most) {
      this.#say(`These are more than ${this.wrapper.dataset.uploadMostWords}, the most that is taken at a time.`);
      return;
    }
    const body = new FormData();
    body.append("replaces", this.last);
    for (const file of files) body.append("files", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", UPLOADS);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => this.#paint(event.loaded, event.total));
    request.addEventListener("loadend", () => this.#over(request));
    this.#request = request;
    this.#paint(0, total);
    setHidden(find(this.wrapper, "upload-way"), false);
    request.send(body);
  }

  #paint(loaded, total) {
    const percent = total ? Math.floor((100 * loaded) / total) : 0;
    setAttribute(find(this.wrapper, "upload-fill"), "width", `${percent}%`);
    setAttribute(find(this.wrapper, "upload-bar"), "aria-valuenow", percent);
    const words = percent < 100 ? `${percent} %` : "All sent, the server looks at them.";
    if (!this.#waiting) setText(find(this.wrapper, "upload-percent"), words);
  }

  #over(request) {
    if (request !== this.#request) return;
    this.#request = null;
    setHidden(find(this.wrapper, "upload-way"), true);
    const answer = request.response;
    if (request.status === 201) {
      this.#take(answer);
      return;
    }
    this.#waiting = false;
    this.input.value = "";
    const stopped = request.status === 0 && request.readyState === XMLHttpRequest.UNSENT;
    if (!stopped) this.#say(answer?.error?.message ?? "The files did not arrive. Check the network, then choose them again.");
  }

  #take(answer) {
    this.id.value = answer.upload_id;
    this.last = answer.upload_id;
    setText(find(this.wrapper, "upload-words"), answer.words);
    setHidden(find(this.wrapper, "upload-kept"), false);
    setHidden(find(this.wrapper, "upload-remove"), false);
    announcer.polite.say(`${answer.words} sent.`);
    this.id.dispatchEvent(new Event("input", { bubbles: true }));
    if (this.#waiting) this.form.requestSubmit();
  }

  #forget() {
    this.id.value = "";
    this.input.value = "";
    setHidden(find(this.wrapper, "upload-kept"), true);
    this.id.dispatchEvent(new Event("input", { bubbles: true }));
    this.input.focus();
  }

  #say(text) {
    setText(find(this.wrapper, "upload-wrong-words"), text);
    setHidden(find(this.wrapper, "upload-wrong"), !text);
  }
}

for (const wrapper of document.querySelectorAll("[data-upload]")) new UploadField(wrapper);
