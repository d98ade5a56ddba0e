"""Answers that hold for a moment: asked once for many, never older than promised."""

from __future__ import annotations

import pytest

from delivery.recent import LONGEST_S, Recent

pytestmark = pytest.mark.req("D7")


class Clock:
    """A clock that is set by hand, and a database that counts how often it is asked."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.asked = 0
        self.truth: str | None = "ada"
        self.recent: Recent[str, str] = Recent(1.0, lambda: self.now_s)

    def ask(self) -> str | None:
        self.asked += 1
        return self.truth

    def get(self) -> str | None:
        return self.recent.get("token", self.ask)


def test_many_who_come_at_once_ask_once_and_a_moment_later_again() -> None:
    clock = Clock()
    assert [clock.get() for _ in range(1000)] == ["ada"] * 1000
    assert clock.asked == 1
    clock.now_s += 1.0
    clock.truth = "eve"
    assert clock.get() == "eve"


def test_that_there_is_no_answer_is_asked_each_time() -> None:
    clock = Clock()
    clock.truth = None
    assert clock.get() is clock.get() is None
    assert clock.asked == 2
    clock.truth = "ada"
    assert clock.get() == "ada"


def test_what_is_cleared_is_asked_at_once() -> None:
    clock = Clock()
    clock.get()
    clock.recent.clear()
    clock.truth = None
    assert clock.get() is None


def test_what_was_checked_together_holds_on_but_not_for_ever() -> None:
    clock = Clock()
    clock.get()
    for _ in range(int(LONGEST_S / 0.5)):
        clock.now_s += 0.5
        clock.recent.renew(lambda answer: answer == "ada")
        clock.get()
    assert clock.asked == 2
    clock.recent.renew(lambda _answer: False)
    assert clock.recent.answers() == set()
    clock.get()
    assert clock.asked == 3
