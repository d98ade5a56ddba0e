/** The bell in the top bar: the count in every tab, and a panel with the newest notifications. Without scripts, a link. */
import { count, plural } from "./format.js";
import { find, fromTemplate, setAttribute, setHidden, setText } from "./hooks.js";
import { live } from "./live.js";
import { noticeRow, paintRead } from "./notices.js";
import { concerns } from "./notifications.js";
import { paintUnread } from "./title_favicon.js";

const SHOWN = 6;

export class Bell {
  #panel = null;
  #newer = 0;
  #newestId = 0;

  constructor(place, inbox) {
    Object.assign(this, { place, inbox, link: find(place, "bell-link") });
    setAttribute(this.link, "role", "button");
    setAttribute(this.link, "aria-haspopup", "dialog");
    setAttribute(this.link, "aria-expanded", "false");
    this.link.addEventListener("click", (event) => this.#clicked(event));
    this.link.addEventListener("keydown", (event) => event.key === " " && this.#clicked(event));
    document.addEventListener("click", (event) => this.#panel && !place.contains(event.target) && this.close());
    document.addEventListener("keydown", (event) => event.key === "Escape" && this.#panel && this.close(true));
    inbox.onChange((change) => this.#changed(change));
    inbox.onArrival(() => this.#arrived());
  }

  #clicked(event) {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    if (this.#panel) this.close(true);
    else this.open();
  }

  async open() {
    const panel = fromTemplate("bell-panel");
    find(panel, "bell-all").addEventListener("click", () => this.#readAll());
    find(panel, "bell-newer").addEventListener("click", () => this.#fill());
    panel.addEventListener("click", (event) => this.#followed(event));
    this.#panel = panel;
    this.place.append(panel);
    setAttribute(this.link, "aria-expanded", "true");
    this.#paintWords();
    panel.focus({ preventScroll: true });
    await this.#fill();
  }

  close(withFocus = false) {
    this.#panel.remove();
    this.#panel = null;
    setAttribute(this.link, "aria-expanded", "false");
    if (withFocus) this.link.focus();
  }

  async #fill() {
    const panel = this.#panel;
    const empty = find(panel, "bell-empty");
    this.#newer = 0;
    try {
      const notices = await this.inbox.newest(SHOWN);
      this.#newestId = notices[0]?.id ?? 0;
      find(panel, "bell-list").replaceChildren(...notices.map((notice) => noticeRow(notice, live.clock.now())));
      setText(empty, notices.length ? "" : "Nobody has told you anything yet. You are told here when a task of yours ends.");
    } catch (error) {
      setText(empty, error.message);
    }
    setHidden(empty, empty.textContent === "");
    this.#paintWords();
  }

  /** Rows stay where they are while somebody reads: what is newer waits behind a button. */
  #arrived() {
    if (!this.#panel) return;
    this.#newer += 1;
    this.#paintWords();
  }

  #changed(change) {
    const { unread } = this.inbox;
    const badge = find(this.link, "bell-count");
    setText(badge, unread > 99 ? "99+" : String(unread));
    setHidden(badge, unread === 0);
    setAttribute(this.link, "aria-label", unread ? `Notifications, ${count(unread)} unread` : "Notifications");
    paintUnread(unread);
    if (!this.#panel) return;
    for (const row of change ? this.#panel.querySelectorAll("[data-notice]") : []) {
      if (concerns(change, Number(row.dataset.notice))) paintRead(row, change.read);
    }
    this.#paintWords();
  }

  #paintWords() {
    if (!this.#panel) return;
    const { unread } = this.inbox;
    setText(find(this.#panel, "bell-words"), unread ? `${count(unread)} unread` : "");
    const all = find(this.#panel, "bell-all");
    if (unread === 0 && document.activeElement === all) this.#panel.focus(); // a disabled button would lose it
    all.disabled = unread === 0;
    const newer = find(this.#panel, "bell-newer");
    setText(newer, `${plural(this.#newer, "newer one").replace("newer ones", "newer")}, show ${this.#newer === 1 ? "it" : "them"}`);
    setHidden(newer, this.#newer === 0);
  }

  #readAll() {
    this.inbox.mark(this.#newestId && !this.#newer ? { up_to: this.#newestId } : { all: true })
      .catch((error) => setText(find(this.#panel ?? this.place, "bell-words"), error.message));
  }

  /** Whoever opens what a notification is about has read it. */
  #followed(event) {
    const row = event.target.closest("[data-notice-link]")?.closest("[data-notice]");
    if (row?.hasAttribute("data-unread")) this.inbox.mark({ ids: [Number(row.dataset.notice)] }).catch(() => {});
  }
}
