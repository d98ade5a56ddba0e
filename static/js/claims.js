/**
 * "Only one of my tabs does this". Within a browser, tabs agree by Web Locks; between browsers, the server says who.
 * Also: which tasks somebody looks at in a visible tab of this browser, so that nobody is told what they just saw.
 */

const STORE = "taskroom.claims";
const KEEP = 200;
const WATCHED = "taskroom.watched:";
const IDLE_AFTER_MS = 60_000;
/** A tab that may be looked at comes first, before one that nobody has touched for a while, before a hidden one. */
const WAIT_MS = { busy: 250, idle: 700, hidden: 1_200 };
let touchedAt = Date.now();

for (const event of ["pointerdown", "pointermove", "keydown", "scroll"]) {
  document.addEventListener(event, () => (touchedAt = Date.now()), { capture: true, passive: true });
}

/** Resolves to true in exactly one tab of this browser, in the one that is most likely looked at. */
export async function claimOnce(key) {
  await new Promise((resolve) => setTimeout(resolve, WAIT_MS[attention()]));
  if (!navigator.locks) return takeIfFree(key); // plain HTTP from afar: two tabs may both win, and the server decides
  return navigator.locks.request(STORE, () => takeIfFree(key));
}

function attention() {
  if (document.hidden) return "hidden";
  return Date.now() - touchedAt > IDLE_AFTER_MS ? "idle" : "busy";
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

/** While this tab is visible, every tab of this browser knows that the task is looked at. */
export function watchTask(taskId) {
  let letGo = null;
  const follow = () => {
    if (document.hidden) {
      letGo?.();
      letGo = null;
    } else if (!letGo) {
      const hidden = new Promise((resolve) => (letGo = resolve));
      navigator.locks?.request(WATCHED + taskId, { mode: "shared" }, () => hidden);
    }
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

/** Whether somebody looks at this task now, in this tab or in another visible one. */
export async function isWatched(taskId) {
  if (watchesHere(taskId)) return true;
  const { held = [] } = (await navigator.locks?.query()) ?? {};
  return held.some(({ name }) => name === WATCHED + taskId);
}

export function watchesHere(taskId) {
  return !document.hidden && document.querySelector('[data-page="task"]')?.dataset.task === taskId;
}
