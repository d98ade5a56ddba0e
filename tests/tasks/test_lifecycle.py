"""What may become of a task, on both databases: submit, claim, end, retry, cancel, hand over, lose."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tasks import journal, lifecycle
from tasks.errors import Conflict, Forbidden, LeaseLost, NotFound
from tasks.journal import Line
from tasks.lifecycle import Failure, Limits

PASSING = Failure("The other side hung up.", "retryable", True)


@pytest.mark.req("C2", "A3")
def test_a_task_goes_from_queued_to_completed_and_its_history_says_so(core):
    held = core.running()
    core.complete(held, {"counted": 3})
    task = core.task(held.task_id)
    assert (task.state, task.attempt, task.results, task.lease_expires_at) == ("completed", 1, {"counted": 3}, None)
    assert core.names(held.task_id) == ["progress_update", "progress_update", "task_completed"]
    assert core.attempts(held.task_id) == [(1, "completed")]
    assert core.snapshot(held.task_id)["progress_percent"] == 100.0


@pytest.mark.req("A4")
def test_a_failed_task_keeps_its_last_true_progress(core):
    held = core.running()
    core.fail(held, "The disk is full.")
    shown = core.snapshot(held.task_id)
    assert (shown["status"], shown["progress_percent"], shown["error"]) == ("failed", 40.0, "The disk is full.")
    assert core.names(held.task_id)[-1] == "task_error"


@pytest.mark.req("C8")
def test_a_retry_waits_its_time_and_then_counts_as_the_next_attempt(core):
    held = core.running("fail")
    lifecycle.retry_later(core.database, held, PASSING, 60, {"progress_percent": 30.0})
    assert core.names(held.task_id)[-2:] == ["task_retrying", "progress_update"]
    assert core.claim(held.task_id) is None, "it is not due"
    core.set(held.task_id, retry_at=core.now() - timedelta(seconds=1))
    again = core.claim(held.task_id, "w2")
    assert again is not None
    assert again.attempt == 2
    assert core.snapshot(held.task_id)["error"] is None
    assert core.attempts(held.task_id) == [(1, "retry"), (2, None)]
    assert "Attempt 2 starts in 60 s" in core.lines(held.task_id)[-1]


@pytest.mark.req("C8", "C3")
def test_a_retry_of_a_task_that_shall_end_is_its_end(core):
    held = core.running("fail")
    lifecycle.request_cancel(core.database, core.me, held.task_id, "enough")
    lifecycle.retry_later(core.database, held, PASSING, 0, {})
    assert core.task(held.task_id).state == "cancelled"
    assert core.names(held.task_id).count("task_cancelled") == 1


@pytest.mark.req("C3", "C4", "A5")
def test_a_queued_task_is_cancelled_here_and_now_and_never_runs(core):
    task_id = core.submit()
    shown = lifecycle.request_cancel(core.database, core.me, task_id, "by mistake")
    assert (shown["status"], shown["forced"], shown["reason"]) == ("cancelled", False, "by mistake")
    assert core.claim(task_id) is None
    assert core.names(task_id) == ["progress_update", "task_cancelled"]


@pytest.mark.req("C3")
def test_cancelling_a_running_task_is_a_wish_that_is_noted_once(core):
    held = core.running()
    first = lifecycle.request_cancel(core.database, core.me, held.task_id, "enough")
    second = lifecycle.request_cancel(core.database, core.me, held.task_id, "really")
    assert first["status"] == "running"
    assert first["cancel_requested"] is True
    assert second["reason"] == "enough"
    assert len(core.events(held.task_id)) == 3
    lifecycle.confirm_cancel(core.database, held, {}, 5, forced=True)
    with pytest.raises(Conflict, match="already ended"):
        lifecycle.request_cancel(core.database, core.me, held.task_id, None)


@pytest.mark.req("D2", "A11")
def test_others_may_not_know_of_a_private_task_nor_change_a_shared_one(core):
    eve, root = core.person("eve"), core.person("root", "admin")
    private, shared = core.submit(), core.submit(visibility="everyone")
    with pytest.raises(NotFound) as hidden:
        lifecycle.request_cancel(core.database, eve, private, None)
    with pytest.raises(NotFound) as unknown:
        lifecycle.request_cancel(core.database, eve, "no-such-task", None)
    assert hidden.value.message == unknown.value.message
    with pytest.raises(Forbidden):
        lifecycle.request_cancel(core.database, eve, shared, None)
    assert lifecycle.request_cancel(core.database, root, private, None)["cancelled_by"] == "root"


@pytest.mark.req("C5")
@pytest.mark.parametrize("stale", ["attempt", "worker", "ended"])
def test_a_worker_that_lost_its_lease_can_write_nothing_durable(core, stale):
    held = core.running("fail")
    if stale == "ended":
        core.complete(held)
    else:
        other = {"attempt": held.attempt + 1} if stale == "attempt" else {"worker": "another"}
        held = replace(held, **other)
    before = core.snapshot(held.task_id)
    database = core.database
    writes = {
        "complete": lambda: core.complete(held),
        "fail": lambda: core.fail(held),
        "cancel": lambda: lifecycle.confirm_cancel(database, held, {}, 1, forced=True),
        "retry": lambda: lifecycle.retry_later(database, held, PASSING, 0, {}),
        "lines": lambda: journal.append_lines(database, held, [Line(core.now(), "info", "late")]),
        "progress": lambda: journal.save_progress(database, held, {"progress_percent": 1.0}),
        "artifact": lambda: journal.add_artifact(database, held, "a.txt", b"x", "text/plain"),
    }
    for name, write in writes.items():
        with pytest.raises(LeaseLost):
            write()
            pytest.fail(f"{name} was written")
    assert lifecycle.renew_lease(database, held.task_id, held.attempt, held.worker, 15) is False
    assert lifecycle.hand_over(database, held.task_id, held.attempt, held.worker) is False
    after = core.snapshot(held.task_id)
    assert {**after, "timestamp": 0} == {**before, "timestamp": 0}


@pytest.mark.req("E7")
def test_a_handed_over_attempt_does_not_count_and_waits_for_nothing(core):
    held = core.running()
    assert lifecycle.hand_over(core.database, held.task_id, held.attempt, held.worker)
    task = core.task(held.task_id)
    assert (task.state, task.worker, task.max_attempts) == ("queued", None, 2)
    again = core.claim(held.task_id, "w2")
    assert again is not None
    assert core.attempts(held.task_id) == [(1, "handed_over"), (2, None)]


@pytest.mark.req("C5")
def test_a_lost_worker_costs_an_attempt_and_the_last_one_ends_the_task(core):
    held = core.running("fail")
    for attempt in (1, 2, 3):
        lease = core.task(held.task_id).lease_expires_at
        assert lifecycle.lose_worker(
            core.database, held.task_id, attempt, lease, 0.0, progress={"progress_percent": 25.0}
        )
        if attempt < 3:
            assert core.task(held.task_id).state == "queued"
            assert core.claim(held.task_id, f"w{attempt + 1}") is not None
    shown = core.snapshot(held.task_id)
    assert (shown["status"], shown["category"], shown["retryable"]) == ("failed", "interrupted", True)
    assert shown["progress_percent"] == 25.0
    assert core.names(held.task_id).count("task_error") == 1


@pytest.mark.req("C5")
def test_a_renewed_lease_wins_against_its_loss(core):
    held = core.running()
    lease = core.task(held.task_id).lease_expires_at
    core.set(held.task_id, lease_expires_at=lease + timedelta(seconds=3))
    assert lifecycle.lose_worker(core.database, held.task_id, 1, lease, 0.0) is False
    assert core.task(held.task_id).state == "running"


@pytest.mark.req("C5", "C3")
def test_losing_the_worker_of_a_task_that_shall_end_ends_it(core):
    held = core.running("fail")
    lifecycle.request_cancel(core.database, core.me, held.task_id, None)
    lease = core.task(held.task_id).lease_expires_at
    assert lifecycle.lose_worker(core.database, held.task_id, 1, lease, 0.0)
    assert (core.task(held.task_id).state, core.task(held.task_id).forced) == ("cancelled", True)


@pytest.mark.req("B7")
def test_one_resource_has_one_active_task(core):
    first = core.submit(resource="/src/a")
    with pytest.raises(Conflict) as busy:
        core.submit(resource="/src/a")
    assert busy.value.details == {"task_id": first}
    core.submit(resource="/src/b")
    held = core.claim(first)
    with pytest.raises(Conflict):
        core.submit(resource="/src/a")
    core.complete(held)
    assert core.submit(resource="/src/a") != first


@pytest.mark.req("C10")
def test_an_idempotency_key_names_one_task_of_one_owner(core):
    eve = core.person("eve")
    first = core.submit(idempotency_key="k1")
    assert core.submit(idempotency_key="k1") == first
    assert core.submit(identity=eve, idempotency_key="k1") != first
    assert core.submit(idempotency_key="k2") != first


@pytest.mark.req("C7")
def test_a_claim_beyond_a_limit_is_refused_and_the_task_may_be_sent_again(core):
    eve = core.person("eve")
    core.running()
    waiting, of_eve = core.submit(), core.submit(identity=eve)
    core.set(waiting, dispatched_at=core.now())
    assert core.claim(waiting, limits=Limits(10, 1)) is None
    assert core.task(waiting).dispatched_at is None
    assert core.claim(of_eve, limits=Limits(1, 10)) is None
    assert core.claim(of_eve, limits=Limits(2, 1)) is not None


@pytest.mark.req("C2", "A14")
def test_log_lines_are_numbered_over_attempts_and_counted(core):
    held = core.running("fail")
    told = journal.append_lines(core.database, held, [Line(core.now(), "info", "a"), Line(core.now(), "error", "b")])
    assert [line["n"] for line in told] == [1, 2]
    assert told[0]["at"].endswith("Z")
    lifecycle.retry_later(core.database, held, PASSING, 0.0, {})
    again = core.claim(held.task_id)
    assert [line["n"] for line in journal.append_lines(core.database, again, [Line(core.now(), "warning", "c")])] == [4]
    shown = core.snapshot(held.task_id)
    assert (shown["log_total"], shown["log_warnings"], shown["log_errors"]) == (4, 2, 1)
