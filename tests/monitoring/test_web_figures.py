"""What a web process tells of itself equals what is in it."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import pytest

from delivery.refusals import Reason, Refusals
from monitoring.web_figures import MOST_ROOMS, WebFigures


@pytest.mark.req("H2", "H6")
def test_figures_count_who_is_there_and_rates_are_since_the_last_time() -> None:
    users, activity, now = [7, 9], [("a", 3, 10), ("b", 1, 0)], [100.0]
    sockets = SimpleNamespace(by_sid=dict.fromkeys("xyz"), users=lambda: users, told=5)
    rooms = SimpleNamespace(
        activity=lambda: activity, delivered=100, slow={"x"}, replays=2, snapshots=1,
        latency=SimpleNamespace(counts=[1, 2]), subscriber=SimpleNamespace(is_live=True),
    )  # fmt: skip
    refusals = Refusals()
    refusals.by_reason = Counter({Reason.RATE_LIMITED.value: 4})
    one = WebFigures(
        sockets, rooms, refusals, 2000, lambda: {"loop_delay_ms": 1.5}, lambda: 1, lambda: now[0]  # type: ignore[arg-type]
    )  # fmt: skip
    first = one.figures()
    assert first["events_per_s"] is None, "nothing is known of a moment"
    assert (first["connections"], first["users"], first["user_ids"], first["rooms"]) == (3, 2, [7, 9], 2)
    assert (first["connection_limit"], first["admins"], first["loop_delay_ms"]) == (2000, 1, 1.5)
    assert (first["sent_total"], first["refused"], first["slow_readers"]) == (105, {"rate_limited": 4}, 1)

    now[0] += 5
    rooms.delivered, activity[:] = 200, [("a", 3, 60), ("c", 2, 5)]
    later = one.figures()
    assert later["events_per_s"] == 41, "205 in the five seconds since the process began"
    assert later["top_rooms"] == [["a", 3, 12.0], ["c", 2, 1.0]]
    assert one.figures()["events_per_s"] == later["events_per_s"], "asked again at once, the rates stay"

    activity[:] = [(str(n), n, 0) for n in range(1, MOST_ROOMS + 10)]
    assert [room[1] for room in one.figures()["top_rooms"]][:2] == [MOST_ROOMS + 9, MOST_ROOMS + 8]
    assert len(one.figures()["top_rooms"]) == MOST_ROOMS
