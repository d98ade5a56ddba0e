/**
 * The connection in the top bar and, after two seconds without it, in a banner: its four states in words, with what
 * the reader can do. Words change at most once a second.
 */
import { hideBanner, showBanner } from "./banners.js";
import { duration, plural } from "./format.js";
import { paintFresh } from "./task_painter.js";
import { clockTime } from "./time.js";

const PATIENCE_MS = 2_000;
const AGAIN_MS = 4_000;
const INDICATOR = { live: "live", catching_up: "catching", reconnecting: "reconnecting", lost: "lost" };

/** The words of the indicator. */
export function connectionWords({ name, attempt, of }) {
  if (name === "reconnecting") return attempt > 0 ? `Reconnecting ${attempt} of ${of}` : "Connecting";
  return { live: "Live", catching_up: "Catching up", lost: "Not connected" }[name];
}

export class ConnectionView {
  #wasDown = false;
  #isTold = false;

  constructor({ connection, streams, refresh, clock, timers }, announcer) {
    Object.assign(this, { connection, streams, refresh, clock, timers, announcer });
    connection.onState(() => this.paint());
    refresh.onChange(() => this.paint());
    timers.every(() => this.paint(), 1_000);
  }

  paint() {
    const { state } = this.connection;
    paintFresh(document.querySelector("[data-connection]"), { state: INDICATOR[state.name], words: connectionWords(state) });
    if (state.name === "live") this.#showAgain();
    else if (this.connection.downMs >= PATIENCE_MS) this.#showDown(state);
  }

  #showDown(state) {
    this.#wasDown = true;
    if (state.name === "lost") {
      hideBanner("reconnecting");
      showBanner("lost", state.reason ? this.#refused(state.reason) : this.#lost(state));
    } else {
      hideBanner("lost");
      if (state.name === "reconnecting") showBanner("reconnecting", this.#reconnecting(state));
    }
    if (!this.#isTold && state.name !== "catching_up") {
      this.#isTold = true;
      const text = state.name === "lost" && state.reason ? `Not connected. ${state.reason.message}` : "Connection lost. Reconnecting.";
      this.announcer.polite.say(text, "connection");
    }
  }

  #reconnecting({ attempt, of, nextAt, reason }) {
    const next = nextAt === null ? "Trying now." : `Next try in ${duration(Math.max(0, nextAt - this.timers.now()))}.`;
    return {
      tone: "run", icon: "reconnecting", role: "status",
      title: attempt > 0 ? `Reconnecting, try ${attempt} of ${of}.` : "Connecting.",
      text: [reason?.message, next, this.#asOf()].filter(Boolean).join(" "),
      actions: [{ text: "Try now", onClick: () => this.connection.connect() }],
    };
  }

  #lost({ of, since }) {
    const { refresh } = this;
    const last = refresh.lastAt === null ? "" : `; last at ${clockTime(this.#serverTime(refresh.lastAt))}`;
    const own = refresh.isOn ? `This page now refreshes itself every ${duration(refresh.everyMs)}${last}.` : "This page stands still.";
    const failed = refresh.failure ? "The last refresh failed." : "";
    return {
      tone: "fail", icon: "lost", role: "alert", title: "Not connected.",
      text: [`${of} tries failed since ${clockTime(this.#serverTime(since))}.`, own, failed].filter(Boolean).join(" "),
      actions: [
        { text: "Retry", primary: true, onClick: () => this.connection.connect() },
        { text: "Refresh now", onClick: () => this.refresh.refreshNow() },
      ],
    };
  }

  #refused({ code, message }) {
    if (code === "not_found") {
      return { tone: "warn", icon: "lost", role: "alert", title: "This link has ended.", text: this.#asOf() || "Ask whoever sent it for a new one.", actions: [] };
    }
    const signIn = { text: "Sign in", primary: true, onClick: () => location.reload() };
    const retry = { text: "Retry", onClick: () => this.connection.connect() };
    return { tone: "fail", icon: "lost", role: "alert", title: "Not connected.",
      text: message ?? "The server refused the connection.", actions: code === "unauthenticated" ? [signIn] : [retry] };
  }

  #showAgain() {
    hideBanner("lost");
    hideBanner("reconnecting");
    if (!this.#wasDown) return;
    this.#wasDown = false;
    const caughtUp = this.#caughtUpWords();
    if (this.#isTold) this.announcer.polite.say(`Live again, ${caughtUp.spoken}.`, "connection");
    this.#isTold = false;
    showBanner("again", { tone: "ok", icon: "completed", title: "Live again.", text: caughtUp.written });
    this.timers.set(() => hideBanner("again"), AGAIN_MS);
  }

  #caughtUpWords() {
    const replayed = this.streams.all.reduce((sum, stream) => sum + stream.replayed, 0);
    const spoken = "nothing is missing";
    return { spoken, written: replayed > 0 ? `${plural(replayed, "event")} from the gap ${replayed === 1 ? "is" : "are"} in, ${spoken}.`
      : `${spoken[0].toUpperCase()}${spoken.slice(1)}.` };
  }

  #asOf() {
    const heard = this.streams.active.map((stream) => stream.heardAt);
    return heard.length ? `What you see is from ${clockTime(Math.min(...heard))}.` : "";
  }

  #serverTime(localMs) {
    return this.clock.now() - this.timers.now() + localMs;
  }
}
