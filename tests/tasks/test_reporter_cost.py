"""A reporting call that sends nothing only counts. No clock decides that here: what the call does is looked at.

How long it takes beside tqdm is measured by `make bench`; the one comparison of times here has room for a factor.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable

import pytest
from tqdm import tqdm

from tests.fixtures.machine import wait_until

pytestmark = pytest.mark.req("J3")

CALLS = 200


@pytest.fixture
def attempt(live_core, make_attempt):
    """An attempt that has just sent, and sends again in minutes: what it reports until then sends nothing."""
    one = make_attempt(live_core, max_hz=0.002)
    wait_until(lambda: one.tail.ticks and not one.reporter.attention, 5, "the phase was told")
    return one


@pytest.fixture
def quiet(attempt):
    """Its context."""
    return attempt.ctx


def _everything(ctx) -> dict[str, Callable[[], None]]:
    def track() -> None:
        for _ in ctx.track(iter(range(CALLS))):
            pass

    return {
        "advance": lambda: [ctx.advance() for _ in range(CALLS)] and None,
        "update": lambda: [ctx.update(done=number) for number in range(CALLS)] and None,
        "track": track,
    }


def test_it_takes_no_lock(quiet, attempt):
    with attempt.reporter.lock, attempt.reporter.progress.counter._lock:
        for _ in range(CALLS):
            quiet.advance()
            quiet.update(done=7)
            quiet.advance(2.5)
    assert attempt.reporter.progress.done == 9.5


@pytest.mark.parametrize("name", ["advance", "update"])
def test_it_calls_nothing_but_the_thread_s_name(quiet, name):
    called: list[str] = []

    def note(frame, event, argument) -> None:
        if event == "c_call":
            called.append(argument.__name__)
        elif event == "call":
            called.append(frame.f_code.co_name)

    work = getattr(quiet, name)
    options = {"done": 3} if name == "update" else {}
    sys.setprofile(note)
    work(**options)
    sys.setprofile(None)
    assert called[:-1] == [name, "get_ident"], "the last one is the end of the profile"


def test_a_turn_of_track_calls_nothing_at_all(quiet):
    called: list[str] = []

    def note(frame, event, argument) -> None:
        if event == "c_call":
            called.append(argument.__name__)
        elif event == "call":
            called.append(frame.f_code.co_name)

    turns = quiet.track(iter(range(CALLS)))
    next(turns)
    sys.setprofile(note)
    for _ in turns:
        pass
    sys.setprofile(None)
    assert set(called[:-1]) == {"track"}


def test_what_sends_only_rings_once_until_the_sender_looks_again(quiet, attempt, monkeypatch):
    rung: list[bool] = []
    with monkeypatch.context() as patch:  # at its end the sender has to hear it again
        patch.setattr(attempt.reporter.bell, "ring", lambda: rung.append(True))
        attempt.reporter.attention = True
        for call in _everything(quiet).values():
            call()
    assert len(rung) == 1


def test_it_costs_no_more_than_three_of_tqdm_s_updates(quiet):
    bar = tqdm(total=None, file=io.StringIO())
    numbers = range(20_000)

    def best(call: Callable[[], object]) -> float:
        costs = []
        for _ in range(9):
            start = time.perf_counter()
            for _ in numbers:
                call()
            costs.append(time.perf_counter() - start)
        return min(costs)

    ours, theirs = best(quiet.advance), best(bar.update)
    bar.close()
    print(f"advance {ours / len(numbers) * 1e9:.0f} ns, tqdm.update {theirs / len(numbers) * 1e9:.0f} ns")
    assert ours < 3 * theirs
