/** The form of a schedule: says what its times mean while they are typed, with the next runs. */
import { find, findAll, revealScripted, setText } from "./hooks.js";
import { getJson } from "./http.js";
import { TokensField } from "./tokens_field.js";

const PAUSE_MS = 250;
const form = document.querySelector("[data-schedule-form]");

function showTimes(list, times, timeZone) {
  const local = new Intl.DateTimeFormat("en-GB", { timeZone, weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  list.replaceChildren(...times.map((at) => {
    const [item, here, utc] = [document.createElement("li"), document.createElement("time"), document.createElement("span")];
    here.dateTime = at;
    setText(here, local.format(new Date(at)));
    utc.className = "quiet";
    setText(utc, `${at.slice(11, 16)} UTC`);
    item.append(here, utc);
    return item;
  }));
}

async function read(cron, timezone, reading, list) {
  const asked = new URLSearchParams({ cron: cron.value.trim(), timezone: timezone.value.trim() });
  try {
    const found = await getJson(`/api/v1/cron?${asked}`);
    setText(reading, found.reading);
    showTimes(list, found.next_times, found.timezone);
  } catch {
    setText(reading, ""); // half typed; what is wrong is said when it is sent
    list.replaceChildren();
  }
}

if (form) {
  findAll(form, "tokens").forEach((wrapper) => new TokensField(wrapper));
  revealScripted(form);
  const [cron, timezone] = [find(form, "cron"), find(form, "timezone")];
  const [reading, list] = [find(form, "cron-reading"), find(form, "cron-next")];
  let timer;
  const later = () => {
    clearTimeout(timer);
    timer = setTimeout(() => read(cron, timezone, reading, list), PAUSE_MS);
  };
  cron.addEventListener("input", later);
  timezone.addEventListener("input", later);
  for (const button of findAll(form, "cron-example")) {
    button.addEventListener("click", () => {
      cron.value = button.dataset.cronExample;
      later();
    });
  }
  later();
}
