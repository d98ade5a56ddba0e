/** Paints at most once a frame, and not at all while nobody can see it. */

const waiting = new Set();
let planned = false;

export function paintSoon(paint) {
  waiting.add(paint);
  plan();
}

function plan() {
  if (planned || document.hidden) return;
  planned = true;
  requestAnimationFrame(() => {
    planned = false;
    const paints = [...waiting];
    waiting.clear();
    for (const paint of paints) paint();
  });
}

document.addEventListener("visibilitychange", () => waiting.size && plan());
