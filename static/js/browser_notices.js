/** Notifications by the browser itself: asked for on a click only, and switched off again here, for this browser. */

const OFF = "taskroom.browser_notices_off";

export function mayNotify() {
  return globalThis.Notification?.permission === "granted" && localStorage.getItem(OFF) === null;
}

/** "on", "off", "blocked", "askable", or "none" where the browser has no such thing or only over https. */
export function browserNotices() {
  if (!globalThis.Notification || !window.isSecureContext) return "none";
  if (Notification.permission === "denied") return "blocked";
  if (Notification.permission === "default") return "askable";
  return mayNotify() ? "on" : "off";
}

/** Call it from a click. Resolves when the person has answered. */
export async function askBrowser() {
  if (browserNotices() === "askable") await Notification.requestPermission();
  localStorage.removeItem(OFF);
}

export function switchOff() {
  localStorage.setItem(OFF, "1");
}
