"""What an update made of its ecosystems, as the wire contract wants it (PROTOCOL.md, section 10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from database import rfc3339
from jobs.advisories.models import AdvisoryEcosystem

TALLY = ("added", "updated", "withdrawn", "unchanged")


def results_of(rows: Sequence[AdvisoryEcosystem], source: str, task_id: str) -> dict[str, Any]:
    """The results of this task, which looked at these ecosystems; `imported` is false when all stayed as they were."""
    tally = dict.fromkeys(("added", "updated", "withdrawn", "unchanged", "unreadable"), 0)
    for row in rows:
        if row.task_id == task_id:
            tally |= {name: tally[name] + row.counters[name] for name in TALLY}
            tally["unreadable"] = row.counters["unreadable"]
        else:
            tally["unchanged"] += row.records
    return {
        "ecosystems": {each.name: each.records for each in sorted(rows, key=lambda each: each.name)},
        **tally,
        "imported": any(row.task_id == task_id for row in rows),
        "source": source,
        "data_date": rfc3339(min((each.data_date for each in rows if each.data_date), default=None)),
        "licence": "; ".join(sorted({each.licence for each in rows if each.licence})),
    }
