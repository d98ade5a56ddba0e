"""One at a time, and the other takes over when it dies, whatever the clocks say."""

from __future__ import annotations

import pytest

from database import Database
from monitoring.lease import LEASE_S, Lease


class Clock:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.mark.req("H7")
def test_one_of_two_holds_it_and_the_other_takes_over_when_the_first_is_silent(any_database: Database) -> None:
    clock = Clock()
    one, other = (Lease(any_database, "sampling", name, clock) for name in ("one", "other"))
    assert [one.hold(), other.hold(), one.hold()] == [True, False, True]
    for _ in range(10):
        clock.s += LEASE_S / 3
        assert one.hold() and not other.hold(), "who renews it keeps it, for ever"
    clock.s += LEASE_S - 0.1
    assert not other.hold()
    clock.s += 0.2
    assert other.hold()
    assert not one.hold(), "the first comes back too late"


def test_who_lets_go_of_it_keeps_nobody_waiting(database: Database) -> None:
    one, other = Lease(database, "sampling", "one"), Lease(database, "sampling", "other")
    assert one.hold() and not other.hold()
    other.release()
    assert not other.hold(), "only its holder can let go of it"
    one.release()
    assert other.hold() and not one.hold()
    assert Lease(database, "alerts", "one").hold(), "another name is another thing"
