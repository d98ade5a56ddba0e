"""Causes followed over time: from what is wrong at this moment to what has to change among the stored alerts.

Pure: the engine passes in what was found, what is stored and the time. The monotonic clock judges how long something
holds or is gone; the wall clock only dates it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from monitoring.alerts.findings import Finding, Key
from monitoring.alerts.models import Alert
from monitoring.alerts.rules import AlertState, Severity
from monitoring.alerts.thresholds import Threshold, Thresholds

TOUCH_EACH_S = 15.0
"""how often a lasting cause renews `last_at` and the numbers in the words"""
SETTLE_S = 300.0
"""how long a cause that somebody has declared resolved may last before it is an alert again"""

Findings = Mapping[str, Sequence[Finding] | None]
"""by type; None: could not be measured"""


@dataclass(slots=True)
class Cause:
    """One thing that is wrong, or was a moment ago."""

    finding: Finding
    since_s: float
    first_at: datetime
    last_at: datetime
    holds: bool = True
    gone_s: float | None = None
    times: int = 1
    """what is not yet counted in the stored alert"""
    newest: datetime | None = None
    """the last event that is counted, where events are"""
    is_due: bool = False
    is_stored: bool = False
    hushed_until_s: float = 0.0
    touched_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be written. `what` is that of AlertEvent, or `touched`."""

    what: str
    key: Key
    cause: Cause | None = None
    alert: Alert | None = None
    severity: Severity = Severity.INFO
    text: str = ""


@dataclass
class Causes:
    """All that is followed."""

    by_key: dict[Key, Cause] = field(default_factory=dict)
    _gone: dict[Key, float] = field(default_factory=dict)
    """stored alerts whose cause this process has never seen: since when it looks for it"""
    _left_alone: dict[Key, float] = field(default_factory=dict)
    """until when, for what was resolved by hand before this process judged"""

    def leave_alone(self, resolved_s_ago: Mapping[Key, float], now_s: float) -> None:
        """These were resolved by hand so long ago, before this process judged."""
        self._left_alone = {key: now_s + SETTLE_S - ago_s for key, ago_s in resolved_s_ago.items()}

    def known(self) -> Collection[Key]:
        """What has been told, so that its limit is the looser one."""
        return [key for key, cause in self.by_key.items() if cause.is_due]

    def see(self, found: Findings, now: datetime, now_s: float) -> None:
        """Take in what is wrong now."""
        held = {each.key: each for each_type in found.values() for each in each_type or ()}
        for key, finding in held.items():
            self._see_one(key, finding, now, now_s)
        for key, cause in list(self.by_key.items()):
            if key in held:
                continue
            if found.get(key[0]) is None:
                cause.gone_s = None
            elif not cause.is_due:
                del self.by_key[key]
            else:
                cause.holds = False
                cause.gone_s = now_s if cause.gone_s is None else cause.gone_s

    def _see_one(self, key: Key, finding: Finding, now: datetime, now_s: float) -> None:
        newest = max(finding.occurred, default=None)
        cause = self.by_key.get(key)
        if cause is None:
            first = min(finding.occurred, default=now)
            until_s = 0.0 if finding.occurred else self._left_alone.get(key, 0.0)
            times = max(1, len(finding.occurred))
            self.by_key[key] = Cause(finding, now_s, first, now, times=times, newest=newest, hushed_until_s=until_s)
            return
        if finding.occurred:
            cause.times += sum(cause.newest is None or each > cause.newest for each in finding.occurred)
            cause.newest = newest
        elif not cause.holds:
            cause.times += 1
        cause.finding, cause.last_at, cause.holds, cause.gone_s = finding, now, True, None

    def become_due(self, limits: Thresholds, now_s: float) -> list[Cause]:
        """Those that from now on have lasted for long enough to be told."""
        due = []
        for cause in self.by_key.values():
            limit = limits[cause.finding.type]
            if not limit.on:
                cause.is_due = cause.is_stored
            elif not cause.is_due and cause.times and now_s >= max(cause.since_s + limit.after_s, cause.hushed_until_s):
                cause.is_due = True
                due.append(cause)
        return due

    def decide(
        self, stored: Mapping[Key, Alert], found: Findings, limits: Thresholds, now: datetime, now_s: float
    ) -> list[Change]:
        """What has to change, so that the open alerts are those whose causes last."""
        changes = []
        for key, cause in list(self.by_key.items()):
            if key in stored:
                changes += self._go_on(cause, stored[key], limits[key[0]], now, now_s)
            elif cause.is_stored:
                self._settle(key, cause, now_s)
            elif cause.is_due and limits[key[0]].on:
                changes.append(Change("raised", key, cause, severity=limits[key[0]].severity))
        self._gone = {key: since for key, since in self._gone.items() if key in stored and key not in self.by_key}
        for key, alert in stored.items():
            if key not in self.by_key:
                is_measured = alert.type in limits and found.get(alert.type) is not None
                since_s = self._gone.setdefault(key, now_s) if is_measured else now_s
                changes += self._end(alert, since_s, limits.get(alert.type), now_s)
        return changes

    def _go_on(self, cause: Cause, alert: Alert, limit: Threshold, now: datetime, now_s: float) -> list[Change]:
        key = cause.finding.key
        if not cause.is_stored:  # stored by an earlier process: this one has only now seen the cause
            cause.is_stored = cause.is_due = True
            cause.times = sum(each > alert.last_at for each in cause.finding.occurred)
        if not limit.on or not cause.holds:
            return self._end(alert, now_s if cause.gone_s is None else cause.gone_s, limit, now_s)
        if cause.times:
            return [Change("again", key, cause, alert, Severity(alert.severity))]
        if is_to_escalate(alert, limit, now):
            return [Change("escalated", key, cause, alert, Severity(alert.severity).next)]
        if now_s - cause.touched_s >= TOUCH_EACH_S:
            return [Change("touched", key, cause, alert, Severity(alert.severity))]
        return []

    def _end(self, alert: Alert, gone_s: float, limit: Threshold | None, now_s: float) -> list[Change]:
        key, severity = (alert.type, alert.subject), Severity(alert.severity)
        if limit is None or not limit.on:
            return [Change("resolved", key, self.by_key.get(key), alert, severity, "The rule was switched off.")]
        if now_s - gone_s < limit.rule.quiet_s:
            return []
        return [Change("resolved", key, self.by_key.get(key), alert, severity, "The cause is gone.")]

    def _settle(self, key: Key, cause: Cause, now_s: float) -> None:
        """Somebody has resolved it: what just goes on is left alone for a while, what counts events until the next."""
        del self.by_key[key]
        if cause.holds:
            counts_events = bool(cause.finding.occurred)
            self.by_key[key] = Cause(
                cause.finding,
                now_s,
                cause.last_at,
                cause.last_at,
                times=0 if counts_events else 1,
                newest=cause.newest,
                hushed_until_s=now_s if counts_events else now_s + SETTLE_S,
            )

    def note(self, change: Change, now_s: float) -> None:
        """A change was committed."""
        cause = change.cause
        if change.what == "resolved":
            self.by_key.pop(change.key, None)
        elif cause is not None:
            cause.is_stored, cause.times, cause.touched_s = True, 0, now_s


def is_to_escalate(alert: Alert, limit: Threshold, now: datetime) -> bool:
    """Whether nobody has said for too long that they know of it."""
    if alert.state != AlertState.ACTIVE or not limit.escalate_after_s or alert.severity == Severity.CRITICAL:
        return False
    return now - (alert.escalated_at or alert.first_at) >= timedelta(seconds=limit.escalate_after_s)
