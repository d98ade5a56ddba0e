/** A toast that holds an order back for six seconds: "not sent yet", Undo, Do it now. Leaving the page asks first. */
import { button, find, fromTemplate, setAttribute, setIcon, setText } from "/static/js/hooks.js";
import { removeToast } from "/static/js/toasts.js";

const WAIT_S = 6;
const waiting = new Set();

/** `send` is called once the seconds are over, or at once when asked to; never after Undo. */
export function sendLater({ title, send }) {
  const toast = fromTemplate("toast");
  setAttribute(toast, "role", "status");
  setIcon(toast, "asof");
  find(toast, "toast-close").remove();
  setText(find(toast, "toast-text"), "Not sent yet. Nothing has changed so far.");
  let left = WAIT_S;
  const tell = () => setText(find(toast, "toast-title"), `${title} in ${left} s`);
  const end = (isSent) => {
    clearInterval(timer);
    waiting.delete(toast);
    removeToast(toast);
    if (isSent) send();
  };
  const timer = setInterval(() => {
    left -= 1;
    if (left > 0) tell();
    else end(true);
  }, 1_000);
  const undo = button("Undo", { onClick: () => end(false) });
  find(toast, "toast-links").replaceChildren(undo, button("Do it now", { onClick: () => end(true) }));
  find(toast, "toast-links").classList.add("acts");
  tell();
  waiting.add(toast);
  document.querySelector("[data-toasts]").append(toast);
  undo.focus({ preventScroll: true });
}

addEventListener("beforeunload", (event) => waiting.size && event.preventDefault());
