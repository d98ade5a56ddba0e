/** The page of one task: what its stream says becomes words, bar, log, tab, announcements; its end brings the results. */
import { CancelAction } from "./cancel_action.js";
import { paintSoon } from "./frame.js";
import { freshness, SILENT_AFTER_MS } from "./freshness.js";
import { measured } from "./format.js";
import { find, findAll, setAttribute, setHidden, setText } from "./hooks.js";
import { getJson } from "./http.js";
import { live } from "./live.js";
import { LogKeys } from "./log_keys.js";
import { LogSearch } from "./log_search.js";
import { LogView } from "./log_view.js";
import { announcer } from "./page_announcer.js";
import { RateHistory } from "./rate_history.js";
import { ShareDialog } from "./share.js";
import { keepInPlace, swapRegions } from "./swap.js";
import { paintElapsed, paintFresh, paintTask } from "./task_painter.js";
import { isFinal } from "./task_reducer.js";
import { describe } from "./task_view.js";
import { silentWords, wordsFor } from "./task_words.js";
import { since } from "./time.js";
import { paintTab } from "./title_favicon.js";

const END_REGIONS = ["head-actions", "hero", "after", "details"];
const SILENT_SAID_EVERY_MS = 30_000;

class TaskPage {
  #before;
  #percentSaidAt = -Infinity;
  #silentSaidAt = -Infinity;
  #hasEnded = false;
  #rates = new RateHistory();
  #paint = () => this.paint();

  constructor(root) {
    this.root = root;
    this.title = root.dataset.title;
    this.stream = live.streams.of(root.dataset.task, this.#firstState());
    this.#before = this.stream.state.task;
    this.#hasEnded = this.stream.isFinal;
    this.cancel = new CancelAction(root, this.stream, live.connection);
    const sharing = root.querySelector("#share-dialog");
    if (sharing) new ShareDialog(sharing);
    this.#openLog(find(root, "log"));
    this.stream.subscribe((_, what) => this.#heard(what));
    live.connection.onState(() => paintSoon(this.#paint));
    live.refresh.onChange(() => paintSoon(this.#paint));
    live.timers.every(() => this.#tick(), 1_000);
    paintSoon(this.#paint);
  }

  /** What the page's attributes tell; the whole state comes with the join. */
  #firstState() {
    const { task, status, attempt, maxAttempts, asOf, logTotal } = this.root.dataset;
    return { task_id: task, status, attempt: Number(attempt) || 0, max_attempts: Number(maxAttempts) || 1,
      timestamp: asOf || null, log_total: Number(logTotal) || 0, seq: null, epoch: null };
  }

  #openLog(panel) {
    if (!panel) return;
    const view = new LogView(panel, this.stream);
    new LogKeys(view);
    new LogSearch(view, {
      ask: (question) => getJson(`${this.root.dataset.logUrl}?${new URLSearchParams(question)}`),
      announce: (text) => announcer.polite.say(text, "search"),
    });
  }

  #heard(what) {
    if (what === "task") this.#taskChanged();
    if (what === "final") this.#ended();
    if (what !== "log") paintSoon(this.#paint);
  }

  #taskChanged() {
    const [before, task] = [this.#before, this.stream.state.task];
    this.#before = task;
    if (before.phase !== task.phase || before.attempt !== task.attempt) this.#rates.clear();
    if (this.stream.source === "live") this.#rates.add(live.clock.now(), task.rate);
    if (this.stream.isWhole) paintTab(task, this.title);
    this.#announce(before, task);
  }

  #announce(before, task) {
    const now = live.clock.now();
    const said = wordsFor(before, task, { title: this.title, sinceLastPercentMs: now - this.#percentSaidAt, now });
    for (const { region, topic, text } of said) {
      if (text.includes("percent")) this.#percentSaidAt = now;
      announcer[region].say(text, topic);
    }
  }

  paint() {
    const { task } = this.stream.state;
    if (this.#hasEnded) return;
    const fresh = this.#freshness();
    this.#sayIfSilent(fresh);
    const view = describe(task, fresh, fresh.shownAt);
    paintElapsed(this.root, (when) => since(when, fresh.shownAt));
    if (this.stream.isWhole) {
      paintTask(this.root, view);
      this.#paintRates();
    } else {
      paintFresh(find(this.root, "fresh"), view.fresh);
    }
    this.cancel.paint(task);
  }

  #freshness() {
    return freshness({ connection: live.connection.state, stream: this.stream, refresh: live.refresh,
      downMs: live.connection.downMs, now: live.clock.now() });
  }

  #paintRates() {
    const spark = find(this.root, "spark");
    if (!spark) return;
    setAttribute(spark, "hidden", null);
    spark.style.visibility = this.#rates.isDrawable ? "" : "hidden"; // its place is kept: the number beside it stays
    if (!this.#rates.isDrawable) return;
    setAttribute(find(spark, "spark-line"), "points", this.#rates.points());
    setAttribute(find(spark, "spark-area"), "points", this.#rates.area());
    setText(find(this.root, "rate-note"), this.#rates.note());
  }

  #sayIfSilent({ kind, silentMs }) {
    if (kind !== "silent" || silentMs < SILENT_AFTER_MS || live.clock.now() - this.#silentSaidAt < SILENT_SAID_EVERY_MS) return;
    this.#silentSaidAt = live.clock.now();
    announcer.polite.say(silentWords(silentMs), "silent");
  }

  #tick() {
    if (this.#hasEnded || document.hidden) return;
    paintSoon(this.#paint);
  }

  async #ended() {
    const { duration_ms: durationMs } = this.stream.state.task;
    this.paint();
    this.#hasEnded = true;
    for (const element of findAll(this.root, "elapsed")) setText(element, durationMs ? `took ${measured(durationMs)}` : "");
    await keepInPlace(find(this.root, "log"), () => swapRegions(END_REGIONS));
  }
}

const root = document.querySelector('[data-page="task"]');
if (root && live) new TaskPage(root);
else if (root && isFinal(root.dataset.status)) setHidden(find(root, "fresh"), true);
