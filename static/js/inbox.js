/** The inbox page: read and unread change in place, in every tab; what is newer waits behind a link. */
import { count, plural } from "./format.js";
import { find, findAll, setAttribute, setHidden, setText } from "./hooks.js";
import { inbox } from "./my_inbox.js";
import { paintRead } from "./notices.js";
import { concerns } from "./notifications.js";
import { swapRegions } from "./swap.js";

class InboxPage {
  #newer = 0;

  constructor(root) {
    this.root = root;
    root.addEventListener("submit", (event) => this.#submitted(event));
    root.addEventListener("click", (event) => this.#clicked(event));
    inbox.onChange((change) => this.#changed(change));
    inbox.onArrival(() => this.#arrived());
  }

  async #submitted(event) {
    const form = event.target.closest("[data-notice-form]");
    if (!form) return;
    event.preventDefault();
    const { id, read } = Object.fromEntries(new FormData(form));
    try {
      await inbox.mark({ ids: [Number(id)], read: read === "1" });
    } catch {
      form.submit(); // the server's own page says what is wrong
    }
  }

  async #clicked(event) {
    const row = event.target.closest("[data-notice-link][href]")?.closest("[data-notice][data-unread]");
    if (row) inbox.mark({ ids: [Number(row.dataset.notice)] }).catch(() => {});
    if (!event.target.closest("[data-newer]")) return;
    event.preventDefault();
    document.activeElement?.blur();
    await swapRegions(["rows"]);
    this.#newer = 0;
    setHidden(find(this.root, "newer"), true);
  }

  #arrived() {
    this.#newer += 1;
    const words = `${plural(this.#newer, "newer one").replace("newer ones", "newer")}, show ${this.#newer === 1 ? "it" : "them"}`;
    setText(find(this.root, "newer-text"), words);
    setHidden(find(this.root, "newer"), false);
  }

  #changed(change) {
    setText(find(this.root, "unread-words"), inbox.unread ? `${count(inbox.unread)} unread` : "Nothing unread");
    find(this.root, "read-all").disabled = inbox.unread === 0;
    for (const row of change ? findAll(this.root, "notice") : []) {
      if (concerns(change, Number(row.dataset.notice))) this.#paint(row, change.read);
    }
  }

  #paint(row, isRead) {
    paintRead(row, isRead);
    const [button, words] = [find(row, "notice-button"), isRead ? "Mark as unread" : "Mark as read"];
    setText(button, words);
    setAttribute(button, "aria-label", `${words}: ${find(row, "notice-link").textContent}`);
    row.querySelector("input[name=read]").value = isRead ? "0" : "1";
  }
}

const root = document.querySelector('[data-page="notifications"]');
if (root && inbox) new InboxPage(root);
