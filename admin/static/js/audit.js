/** The audit log: rows open in place, and entries that are written while it is looked at wait behind a link. */
import { find, setAttribute, setHidden, setText } from "/static/js/hooks.js";
import { live } from "/static/js/live.js";

const root = document.querySelector('[data-page="audit"]');
let newer = 0;

function toggle(button) {
  const row = button.closest("[data-entry]");
  const more = document.getElementById(`d${row.dataset.entry}`);
  const opens = more.hidden;
  setHidden(more, !opens);
  setAttribute(row, "data-open", opens ? "" : null);
  setAttribute(button, "aria-expanded", String(opens));
}

/** Whether the filters of this page leave the entry; what is searched for in words is not asked here. */
function fits({ actor, action, subject }) {
  const { actor: wantedActor, action: wantedAction, subject: wantedSubject } = root.dataset;
  const isAbout = !wantedSubject || subject === wantedSubject || (!wantedSubject.includes(":") && subject.startsWith(`${wantedSubject}:`));
  return (!wantedActor || actor === wantedActor) && (!wantedAction || action === wantedAction) && isAbout;
}

function notice({ entry }) {
  if (!fits(entry)) return;
  newer += 1;
  setText(find(root, "newer-words"), newer === 1 ? "A newer entry, show it" : `${newer} newer entries, show them`);
  setHidden(find(root, "newer"), false);
}

if (root) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-toggle]");
    if (!button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    toggle(button);
  });
}

if (root && live && "newest" in root.dataset) {
  live.connection.on("audit_update", notice);
  live.connection.onOpen(() => live.connection.request("join_admin_dashboard").catch(() => {}));
}
