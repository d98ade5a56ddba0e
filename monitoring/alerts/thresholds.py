"""What admins have set of each rule, over its defaults. Read at every turn, so a change takes effect within seconds.

Kept by `server_settings` under `alerts.<type>.<name>`; None stands for the default again. `name` is `on` (a boolean),
`severity`, `after_s`, `escalate_after_s`, or one of the rule's values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from accounts.audit import Actor
from accounts.models import AuditEntry
from monitoring.alerts.rules import AFTER, ESCALATE, RULES, Rule, Severity, Value
from server_settings import change_setting, settings_below
from tasks.errors import InvalidParams, NotFound

PREFIX = "alerts."
SHOWN_CHANGES = 50


@dataclass(frozen=True, slots=True)
class Threshold:
    """A rule as it counts now. `values` maps the names of the rule's values to whole numbers."""

    rule: Rule
    on: bool
    severity: Severity
    after_s: int
    escalate_after_s: int
    values: Mapping[str, int]

    def __getitem__(self, name: str) -> int:
        return self.values[name]

    @property
    def measures(self) -> str:
        """When it comes, with its values: completes "Comes when …"."""
        return self.rule.measures.format_map({name: f"{value:,}" for name, value in self.values.items()})


Thresholds = Mapping[str, Threshold]


def numbers(rule: Rule) -> tuple[Value, ...]:
    """Everything of a rule that is a number, with its own defaults."""
    after = Value(AFTER.name, AFTER.title, AFTER.unit, rule.after_s, AFTER.low, AFTER.high)
    escalate = Value(ESCALATE.name, ESCALATE.title, ESCALATE.unit, rule.escalate_after_s, ESCALATE.low, ESCALATE.high)
    return (*rule.values, after, escalate)


def thresholds(session: Session) -> dict[str, Threshold]:
    """All rules as they count now. What was stored by another version and makes no sense here counts as not set."""
    stored = settings_below(session, PREFIX)
    return {type_: _threshold(rule, stored) for type_, rule in RULES.items()}


def defaults() -> dict[str, Threshold]:
    """All rules as they come."""
    return {type_: _threshold(rule, {}) for type_, rule in RULES.items()}


def _threshold(rule: Rule, stored: Mapping[str, Any]) -> Threshold:
    found = {name: stored.get(f"{rule.type}.{name}") for name in names(rule)}
    kept = {name: value for name, value in found.items() if value is not None and not problem(rule, name, value)}
    measured = {value.name: kept.get(value.name, value.default) for value in numbers(rule)}
    return Threshold(
        rule,
        kept.get("on", True),
        Severity(kept.get("severity", rule.severity)),
        measured.pop(AFTER.name),
        measured.pop(ESCALATE.name),
        measured,
    )


def names(rule: Rule) -> list[str]:
    """Everything of a rule that can be set."""
    return ["on", "severity", *(value.name for value in numbers(rule))]


def default_of(rule: Rule, name: str) -> Any:
    """What counts where nobody has set it."""
    plain = {"on": True, "severity": rule.severity.value}
    return plain[name] if name in plain else next(each.default for each in numbers(rule) if each.name == name)


def value_of(threshold: Threshold, name: str) -> Any:
    """What counts now."""
    if name in threshold.values:
        return threshold.values[name]
    found = getattr(threshold, name)
    return found.value if isinstance(found, Severity) else found


def changed(threshold: Threshold) -> list[str]:
    """What is not as it comes."""
    rule = threshold.rule
    return [name for name in names(rule) if value_of(threshold, name) != default_of(rule, name)]


def problem(rule: Rule, name: str, value: Any) -> str:
    """What is wrong with this value, as a sentence; empty for a good one."""
    if name == "on":
        return "" if isinstance(value, bool) else "It is on or off: write true or false."
    if name == "severity":
        return "" if value in list(Severity) else f"The severity is one of {', '.join(Severity)}."
    found = next((each for each in numbers(rule) if each.name == name), None)
    if found is None:
        return f"There is no {name[:100]}. Known are: {', '.join(names(rule))}."
    if isinstance(value, bool) or not isinstance(value, int) or not found.low <= value <= found.high:
        return f"{found.title} is a whole number from {found.low:,} to {found.high:,} {found.unit}."
    return ""


def change(
    session: Session, type_: str, wished: Mapping[str, Any], actor: Actor, reason: str | None = None
) -> list[str]:
    """Set what is wished of a rule (None: the default again), in the caller's transaction; the names that changed.

    Raises NotFound for an unknown rule, InvalidParams with a sentence for each wrong value; then nothing has changed.
    """
    rule = RULES.get(type_)
    if rule is None:
        raise NotFound("There is no such type of alert.")
    wrong = {name: text for name, value in wished.items() if value is not None and (text := problem(rule, name, value))}
    wrong |= {name: problem(rule, name, 0) for name in wished if name not in names(rule)}
    if wrong:
        raise InvalidParams(wrong)
    before = _threshold(rule, settings_below(session, PREFIX))
    changed = []
    for name, value in wished.items():
        default = default_of(rule, name)
        wanted = default if value is None else value
        if wanted == value_of(before, name):
            continue
        stored = None if wanted == default else wanted
        if change_setting(session, f"{PREFIX}{type_}.{name}", stored, actor, reason=reason):
            changed.append(name)
    return changed


def changes(session: Session, type_: str, limit: int = SHOWN_CHANGES) -> list[AuditEntry]:
    """Who changed what of a rule, the newest first."""
    query = select(AuditEntry).where(
        AuditEntry.action == "setting.changed",
        AuditEntry.subject.startswith(f"setting:{PREFIX}{type_}.", autoescape=True),
    )
    return list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))
