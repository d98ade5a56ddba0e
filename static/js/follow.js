/** "Tell me when done" in place: a pressed button. Also the moment to ask whether the browser may tell, too. */
import { askBrowser, browserNotices } from "./browser_notices.js";
import { setAttribute } from "./hooks.js";
import { deleteJson, postJson } from "./http.js";
import { showToast } from "./toasts.js";

export function followButtons() {
  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("[data-follow]");
    if (!form) return;
    event.preventDefault();
    const [button, wish] = [form.querySelector("button"), form.elements.namedItem("wants")];
    const wants = wish.value === "1";
    const asking = wants && browserNotices() === "askable" ? askBrowser().catch(() => {}) : null;
    try {
      await (wants ? postJson : deleteJson)(`/api/v1/tasks/${form.dataset.follow}/follow`);
      setAttribute(button, "aria-pressed", wants);
      wish.value = wants ? "0" : "1";
    } catch (error) {
      showToast({ tone: "warn", role: "alert", icon: "info", title: "Nothing has changed", text: error.message });
    }
    await asking;
  });
}
