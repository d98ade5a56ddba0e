/** "Only one of my tabs does this": a claim on a key, won by one tab of this browser, a visible one first. */

const STORE = "taskroom.claims";
const KEEP = 200;
const HIDDEN_TAB_WAITS_MS = 400;

/** Resolves to true in exactly one tab. Without Web Locks (plain HTTP from afar) two tabs may both win a close race. */
export async function claimOnce(key) {
  if (document.hidden) await new Promise((resolve) => setTimeout(resolve, HIDDEN_TAB_WAITS_MS));
  if (!navigator.locks) return takeIfFree(key);
  return navigator.locks.request(STORE, () => takeIfFree(key));
}

function takeIfFree(key) {
  try {
    const taken = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    if (taken.includes(key)) return false;
    localStorage.setItem(STORE, JSON.stringify([...taken, key].slice(-KEEP)));
  } catch {
    return true; // storage is switched off: better told twice than not at all
  }
  return true;
}
