"""The live tail on real servers: contiguous, once, of one attempt, and not trusted beyond its server's life."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import orjson
import pytest
import redis

from delivery.event_log import KEPT_EVENTS, TTL_S, EventLog, Start, connect

TASK = "0f8f7a2e-0000-4000-8000-000000000001"

pytestmark = [pytest.mark.every_redis, pytest.mark.req("A8", "A10")]


@pytest.fixture
def log(redis_url):
    client = connect(redis_url)
    yield EventLog(client, "taskroom:")
    client.close()


def _start(**fields) -> Start:
    known = {"durable": 1, "log_n": 0, "live_attempt": 1, "cancel_requested": False, "is_final": False}
    return Start(**(known | {"name": "progress_update", "body": '"task_id":"t","progress_percent":0'} | fields))


def test_seq_counts_from_one_without_holes_whoever_appends(log, redis_client):
    assert log.begin(TASK, _start()).seq == 1

    def append() -> None:
        for n in range(100):
            log.tick(TASK, 1, f'"n":{n}')

    threads = [threading.Thread(target=append) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tail = log.read(TASK, 0)
    assert [event.seq for event in tail.events] == list(range(1, 402))
    assert all(orjson.loads(event.data)["seq"] == event.seq for event in tail.events)
    assert {orjson.loads(event.data)["epoch"] for event in tail.events} == {tail.epoch}


def test_each_event_is_published_as_a_ready_packet(log, redis_client):
    listener = redis_client.pubsub()
    listener.subscribe(log.channel(TASK))
    assert listener.get_message(timeout=5)["type"] == "subscribe"
    begun = log.begin(TASK, _start())
    assert begun.receivers == 1
    header, packet = listener.get_message(timeout=5)["data"].decode().split("\n")
    assert header == f"{begun.epoch} 1 progress_update"
    name, data = orjson.loads(packet[1:])
    assert (packet[0], name) == ("2", "progress_update")
    assert (data["epoch"], data["seq"], data["snapshot"], data["cancel_requested"]) == (begun.epoch, 1, True, False)
    assert data["timestamp"].endswith("Z")
    listener.close()


def test_progress_of_another_attempt_is_refused(log):
    log.begin(TASK, _start(live_attempt=2))
    assert log.tick(TASK, 1, '"n":1').outcome == "refused"
    assert log.beat(TASK, 1, 0).outcome == "refused"
    assert log.tick(TASK, 2, '"n":1').outcome == "ok"
    log.durable(TASK, 2, "task_completed", '"results":{}', None, False, True)
    assert log.tick(TASK, 2, '"n":2').outcome == "refused", "after the end nothing moves"


def test_a_durable_event_is_told_once_whoever_tries(log):
    log.begin(TASK, _start())
    outcomes: list[str] = []

    def tell() -> None:
        for event_id in range(2, 40):
            outcomes.append(log.durable(TASK, event_id, "progress_update", '"n":1', 1, False, False).outcome)  # noqa: PERF401

    threads = [threading.Thread(target=tell) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count("ok") <= 38
    tail = log.read(TASK, 1)
    assert len(tail.events) == outcomes.count("ok")
    assert tail.durable == 39


@pytest.mark.req("A2")
def test_a_wish_to_cancel_does_not_set_the_bar_back_to_what_sql_knew(log):
    log.begin(TASK, _start())
    log.tick(TASK, 1, '"progress_percent":60')
    log.durable(TASK, 2, "progress_update", '"progress_percent":40', 1, True, False)
    told = orjson.loads(log.read(TASK, 2).events[-1].data)
    assert (told["progress_percent"], told["cancel_requested"]) == (60, True)
    log.durable(TASK, 3, "progress_update", '"progress_percent":0', 2, False, False)
    assert orjson.loads(log.read(TASK, 3).events[-1].data)["progress_percent"] == 0, "a new attempt begins anew"


def test_lines_are_told_once_and_without_holes(log):
    log.begin(TASK, _start())
    assert log.lines(TASK, 1, 3, '"lines":[]').outcome == "ok"
    assert log.lines(TASK, 1, 3, '"lines":[]').outcome == "known"
    gap = log.lines(TASK, 6, 7, '"lines":[]')
    assert (gap.outcome, gap.log_n) == ("gap", 3)
    overlap = log.lines(TASK, 2, 5, '"lines":[]')
    assert (overlap.outcome, overlap.log_n) == ("gap", 3)
    assert log.lines(TASK, 4, 7, '"lines":[]').log_n == 7


def test_a_heartbeat_is_told_only_when_it_has_been_quiet(log):
    log.begin(TASK, _start())
    log.tick(TASK, 1, '"n":5')
    assert log.beat(TASK, 1, 60_000).outcome == "known"
    assert log.beat(TASK, 1, 0).outcome == "ok"
    assert orjson.loads(log.read(TASK, 2).events[-1].data)["n"] == 5


@pytest.mark.req("E5")
def test_tail_and_state_expire_an_hour_after_the_last_event(log, redis_client):
    log.begin(TASK, _start())
    log.lines(TASK, 1, 1, '"lines":[]')
    for key in ("state", "log"):
        assert TTL_S - 2 <= redis_client.ttl(f"taskroom:task:{TASK}:{key}") <= TTL_S == 3600


def test_a_thousand_events_are_kept_and_older_ones_are_known_to_be_gone(log):
    log.begin(TASK, _start())
    for n in range(KEPT_EVENTS + 50):
        log.tick(TASK, 1, f'"n":{n}')
    tail = log.read(TASK, 0)
    assert len(tail.events) == KEPT_EVENTS == 1000
    assert tail.events[0].seq == 52
    assert tail.seq == KEPT_EVENTS + 51


@pytest.mark.parametrize("after", [0, 1, 10**6, 2**53, 2**62])
def test_any_position_can_be_asked_for(log, after):
    log.begin(TASK, _start())
    tail = log.read(TASK, after)
    assert len(tail.events) == (1 if after == 0 else 0)


def test_a_snapshot_counts_the_lines_that_were_told_before_it(log):
    log.begin(TASK, _start())
    log.tick(TASK, 1, '"log_total":99')
    log.lines(TASK, 1, 7, '"lines":[]')
    data = orjson.loads(log.read(TASK).snapshot_packet()[1:])[1]
    assert (data["seq"], data["log_total"], data["snapshot"]) == (3, 7, True)


def test_a_snapshot_is_as_old_as_the_newest_event(log):
    """A late joiner of a silent task must not read that it was updated just now."""
    log.begin(TASK, _start())
    log.tick(TASK, 1, '"n":1')
    tail = log.read(TASK, 0)
    newest, snapshot = orjson.loads(tail.events[-1].data), orjson.loads(tail.snapshot_packet()[1:])[1]
    assert abs(datetime.fromisoformat(snapshot["timestamp"]) - datetime.fromisoformat(newest["timestamp"])) < timedelta(
        milliseconds=5
    )


def test_without_a_tail_every_operation_says_so(log):
    assert log.read(TASK) is None
    for told in (log.tick(TASK, 1, '"n":1'), log.beat(TASK, 1, 0), log.lines(TASK, 1, 1, '"lines":[]')):
        assert told.outcome == "absent"
    assert log.durable(TASK, 5, "task_completed", '"results":{}', None, False, True).outcome == "absent"


def test_an_emptied_server_and_a_lost_script_are_survived(log, redis_client):
    first = log.begin(TASK, _start()).epoch
    redis_client.script_flush()
    assert log.tick(TASK, 1, '"n":1').outcome == "ok"
    redis_client.flushall()
    assert log.tick(TASK, 1, '"n":1').outcome == "absent"
    assert log.begin(TASK, _start()).epoch != first


def test_a_begun_tail_is_not_begun_over_unless_it_knows_less(log):
    first = log.begin(TASK, _start(durable=5, log_n=3))
    assert log.begin(TASK, _start()).outcome == "exists"
    assert log.begin(TASK, _start(durable=4, log_n=3), replacing=first.epoch).outcome == "exists"
    assert log.begin(TASK, _start(durable=5, log_n=2), replacing=first.epoch).outcome == "exists"
    assert log.begin(TASK, _start(durable=6, log_n=3), replacing="of-somebody-else").outcome == "exists"
    second = log.begin(TASK, _start(durable=6, log_n=3), replacing=first.epoch)
    assert (second.outcome, second.seq) == ("ok", 1)
    assert second.epoch != first.epoch


@pytest.mark.req("C2", "E1")
def test_what_a_killed_server_kept_on_disk_is_not_trusted(redis_server):
    """The file may lack the last moments: were the old epoch to go on, a seq could name two different events."""
    client = connect(redis_server.url)
    log = EventLog(client, "taskroom:")
    epochs, told = set(), {}
    for life in range(3):
        epoch = log.begin(TASK, _start()).epoch
        assert epoch not in epochs
        epochs.add(epoch)
        for n in range(20):
            answer = log.tick(TASK, 1, f'"life":{life},"n":{n}')
            assert (answer.epoch, answer.seq) not in told
            told[answer.epoch, answer.seq] = n
        redis_server.kill()
        with pytest.raises(redis.RedisError):
            log.tick(TASK, 1, '"n":0')
        redis_server.start()
        assert client.exists(f"taskroom:task:{TASK}:state"), "its data is there"
        assert log.read(TASK) is None, "but is not believed"
    client.close()
