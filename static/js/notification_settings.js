/** The part of the settings that belongs to this browser: whether it shows notifications itself. */
import { askBrowser, browserNotices, switchOff } from "./browser_notices.js";
import { find, revealScripted, setHidden, setText } from "./hooks.js";

const WORDS = {
  on: ["This browser shows a notification when a tab of Taskroom is open and hidden.", "Switch off here"],
  off: ["Switched off in this browser.", "Switch on"],
  askable: ["When a tab of Taskroom is open and hidden, this browser can show a notification. It asks you first.", "Allow browser notifications"],
  blocked: ["This browser blocks notifications of this site. Its own settings for the site can allow them.", ""],
  none: ["This browser cannot show notifications here; most browsers do so over https only.", ""],
};

const panel = document.querySelector("[data-browser-notices]");
const button = panel && find(panel, "browser-ask");

function paint() {
  const [words, act] = WORDS[browserNotices()];
  setText(find(panel, "browser-words"), words);
  setText(button, act);
  setHidden(button, act === "");
}

if (panel) {
  revealScripted(panel);
  paint();
  button.addEventListener("click", async () => {
    if (browserNotices() === "on") switchOff();
    else await askBrowser();
    paint();
  });
}
