"""Many at once, on both databases: one wins, the others are told so, and history tells one story."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tasks import lifecycle
from tasks.errors import Conflict, IllegalTransition, LeaseLost
from tasks.lifecycle import Limits

pytestmark = pytest.mark.slow

ROUNDS = 200


def _at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Run all at the same moment; their answers, or what they raised if it is a refusal."""
    gate = threading.Barrier(len(acts))
    answers: list[Any] = [None] * len(acts)

    def run(place: int) -> None:
        gate.wait(10)
        try:
            answers[place] = acts[place]()
        except (LeaseLost, Conflict, IllegalTransition) as refusal:
            answers[place] = refusal

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


@pytest.mark.req("C5", "E4")
def test_of_eight_workers_that_claim_one_task_one_gets_it(core):
    for _ in range(15):
        task_id = core.submit()
        claims = _at_once(*(lambda n=n, t=task_id: core.claim(t, f"w{n}") for n in range(8)))
        assert sum(claim is not None for claim in claims) == 1
        assert core.task(task_id).attempt == 1


@pytest.mark.req("A5", "C3")
def test_a_cancel_that_races_the_end_leaves_one_final_state_and_one_final_event(core):
    ends: Counter[str] = Counter()
    for turn in range(ROUNDS):
        held = core.running()

        def finish(held=held, turn=turn) -> None:
            if turn % 2:
                core.complete(held)
            else:
                lifecycle.confirm_cancel(core.database, held, {}, 1, forced=False)

        _at_once(
            finish,
            lambda t=held.task_id: lifecycle.request_cancel(core.database, core.me, t, None),
            lambda t=held.task_id: lifecycle.lose_worker(core.database, t, 1, core.task(t).lease_expires_at, 0.0),
        )
        state = core.task(held.task_id).state
        finals = [
            name for name in core.names(held.task_id) if name in ("task_completed", "task_error", "task_cancelled")
        ]
        assert finals == [lifecycle.final_event(state)], f"turn {turn}: {state}, {finals}"
        ends[state] += 1
    print(dict(ends))


@pytest.mark.req("C4", "A5")
def test_a_cancel_that_races_the_claim_either_ends_the_task_or_is_noted(core):
    for turn in range(60):
        task_id = core.submit()
        held, _ = _at_once(
            lambda t=task_id: core.claim(t),
            lambda t=task_id: lifecycle.request_cancel(core.database, core.me, t, None),
        )
        task = core.task(task_id)
        assert task.cancel_requested_at is not None
        assert task.state == ("cancelled" if held is None else "running"), f"turn {turn}"


@pytest.mark.req("C10")
def test_parallel_submits_with_one_key_start_one_task(core):
    for turn in range(12):
        made = _at_once(
            *(
                lambda k=turn: lifecycle.submit(core.database, core.me, core.submission(idempotency_key=f"k{k}"))
                for _ in range(8)
            )
        )
        assert len({task_id for task_id, _ in made}) == 1
        assert [is_new for _, is_new in made].count(True) == 1


@pytest.mark.req("B7")
def test_parallel_submits_for_one_resource_start_one_task(core):
    for turn in range(12):
        made = _at_once(*(lambda k=turn: core.submit(resource=f"/src/{k}") for _ in range(6)))
        assert sum(isinstance(each, str) for each in made) == 1
        assert sum(isinstance(each, Conflict) for each in made) == 5


@pytest.mark.req("C7")
def test_limits_hold_when_many_workers_claim_at_once(core):
    eve = core.person("eve")
    limits = Limits(total=5, per_user=3)
    tasks = [core.submit(identity=identity) for identity in (core.me, eve) for _ in range(8)]
    claims = _at_once(
        *(lambda t=task_id, n=n: core.claim(t, f"w{n}", limits=limits) for n, task_id in enumerate(tasks))
    )
    owners = Counter(core.task(claim.task_id).owner_id for claim in claims if claim is not None)
    assert sum(owners.values()) == 5
    assert max(owners.values()) == 3
