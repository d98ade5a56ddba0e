"""From the snapshot of a task (see PROTOCOL.md and `tasks.store.snapshot`) to what its page says, as pure functions.

The time comes in as `now`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from pages import format as words
from pages import progress, states
from pages.format import Moment
from pages.progress import Bar, PhaseView, Snapshot


@dataclass(frozen=True, slots=True)
class TaskView:
    """All that the templates of a task need, in words. `raw` is the snapshot itself."""

    raw: Snapshot
    id: str
    title: str
    kind: str
    status: str
    state: str
    word: str
    is_final: bool
    fresh_state: str
    fresh_words: str
    percent: str
    percent_value: str
    bar: Bar
    phase_line: str
    phase_title: str
    progress_line: str
    step: str
    done: str
    done_of: str
    done_left: str
    rate: str
    rate_unit: str
    eta: str
    eta_at: str
    end: str
    sentence: str
    elapsed_words: str
    elapsed_since: str
    elapsed: str
    created: Moment | None
    started: Moment | None
    finished: Moment | None
    took: str
    attempt_line: str
    owner: str
    phases: tuple[PhaseView, ...] = ()
    stats: tuple[tuple[str, str, str], ...] = field(default=())


def task_view(task: Snapshot, now: datetime) -> TaskView:
    """What is true of this task at `now`, in the words of the design."""
    state = states.display_state(task, now)
    elapsed_words, since = states.elapsed(task)
    fresh_state, fresh_words = states.freshness(task, now)
    phase_line, phase_title = progress.phase_position(task)
    percent = progress.shown_percent(task)
    return TaskView(
        raw=task,
        id=task["task_id"],
        title=task["title"],
        kind=task["kind"],
        status=task["status"],
        state=state,
        word=states.badge_word(task, state, now),
        is_final=task["status"] in states.FINAL,
        fresh_state=fresh_state,
        fresh_words=fresh_words,
        percent=words.percent(percent),
        percent_value=words.percent_number(percent),
        bar=progress.bar(task, state),
        phase_line=phase_line,
        phase_title=phase_title,
        progress_line=progress.progress_line(task),
        step=task.get("current_step") or "",
        done=words.count(task.get("done")),
        done_of=progress.done_of(task),
        done_left=progress.done_left(task),
        rate=words.rate_number(task.get("rate")),
        rate_unit=progress.rate_unit(task),
        eta=progress.eta(task, state),
        eta_at=progress.eta_at(task, state, now),
        end=states.ended_or_left(task, state, now),
        sentence=states.sentence(task, state, now),
        elapsed_words=elapsed_words,
        elapsed_since=_iso(since),
        elapsed=f"{elapsed_words} {words.duration(words.between_ms(since, now))}" if since else "",
        created=words.moment(task.get("created_at"), now),
        started=words.moment(task.get("started_at"), now),
        finished=words.moment(task.get("finished_at"), now),
        took=words.measured(task.get("duration_ms")),
        attempt_line=f"{max(task.get('attempt') or 0, 1)} of {task.get('max_attempts') or 1}",
        owner=(task.get("owner") or {}).get("username", ""),
        phases=tuple(progress.phase_views(task, now, is_moving=state in ("running", "cancelling"))),
        stats=tuple(progress.stats(task)),
    )


def _iso(moment: datetime | None) -> str:
    return moment.isoformat().replace("+00:00", "Z") if moment else ""
