"""No count gets lost and none comes twice, whoever counts."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction

import pytest

from tasks.counter import Counter

pytestmark = pytest.mark.req("A12")


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual_s)


def _together(*works: Callable[[], None]) -> None:
    """Run the first here and the others in threads of their own, at once."""
    threads = [threading.Thread(target=work) for work in works[1:]]
    for thread in threads:
        thread.start()
    works[0]()
    for thread in threads:
        thread.join()


def _elsewhere(work: Callable[[], None]) -> None:
    _together(lambda: None, work)


def test_many_threads_and_loops_at_once_end_on_the_exact_sum(hasty_threads):
    counter = Counter()

    def own() -> None:
        for _ in range(100_000):
            counter.own.value += 1

    def other() -> None:
        for _ in range(20_000):
            counter.add(1)

    def loop() -> None:
        part = counter.begin_loop()
        for number in range(1, 50_001):
            part.value = number
        part.is_over = True

    def read() -> None:
        seen = 0
        for _ in range(2_000):
            assert seen <= counter.value
            seen = counter.value

    _together(own, other, other, other, loop, loop, read)
    assert counter.value == 100_000 + 3 * 20_000 + 2 * 50_000


def test_setting_it_forgets_what_was_counted_before_wherever_it_was_counted():
    counter = Counter()
    part = counter.begin_loop()
    part.value = 5
    _elsewhere(lambda: counter.add(7))
    counter.own.value += 11
    assert counter.value == 23
    counter.set(100)
    assert counter.value == 100
    part.value = 6
    _elsewhere(lambda: counter.add(1))
    counter.add(1)
    assert counter.value == 103
    _elsewhere(lambda: counter.set(0))
    part.value = 8
    part.is_over = True
    counter.own.value += 1
    assert counter.value == 3


def test_the_owner_may_set_it_directly_only_while_nobody_else_has_counted():
    counter = Counter()
    assert counter.is_plain
    part = counter.begin_loop()
    assert not counter.is_plain
    part.is_over = True
    counter.set(4)
    assert counter.is_plain
    _elsewhere(lambda: counter.add(1))
    assert not counter.is_plain
    assert counter.value == 5


@pytest.mark.parametrize("number", [Decimal("2.5"), Fraction(5, 2), 2.5])
def test_every_kind_of_number_counts_as_one_that_can_be_sent(number):
    counter = Counter()
    counter.own.value += number
    assert type(counter.value) is float
    counter.add(Fraction(1, 2) if isinstance(number, Fraction) else type(number)(0.5))
    assert counter.value == 3


@pytest.mark.parametrize("bad", [math.nan, math.inf, "many"])
def test_what_is_no_number_is_over_with_the_next_phase(bad):
    counter = Counter()
    counter.own.value = bad
    if not isinstance(bad, float) or math.isnan(bad):
        assert math.isnan(counter.value)
    _elsewhere(lambda: counter.set(0))
    counter.add(2)
    assert counter.value == 2
