"""`./taskroom watch` tells each log line once and in order, also when it reads too slowly or events get lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import Any

import pytest

from config import Client
from follower import Follower
from tests.fixtures.machine import ROOT, wait_until
from tests.fixtures.runs import start, wait_for

LINES = 8_000
"""with their padding 20 MB: on most machines more than the sockets' buffers and the server's bound hold together"""


class Reader(Follower):
    """A follower that is fed by hand; the server has `stored` lines."""

    def __init__(self, stored: int = 0) -> None:
        super().__init__(Client("http://127.0.0.1:1", None), "t")
        self.stored = stored
        self.joins = 0
        self.reads: list[int] = []
        self._socket.connected = True

    def join(self) -> None:
        self.joins += 1

    def read_lines(self, first: int) -> list[dict[str, Any]]:
        self.reads.append(first)
        return lines(first, min(self.stored, first + 99))

    def told(self, *steps: tuple[str, dict[str, Any]]) -> list[str]:
        """Takes events, and answers what is told of them: names, and lines as `first-last`."""
        words = []
        for name, data in steps:
            for event, told in self.take(name, {"task_id": "t", "epoch": "e1"} | data):
                numbers = [line["n"] for line in told["lines"]] if event == "task_log" else []
                assert numbers == list(range(numbers[0], numbers[-1] + 1)) if numbers else True
                words.append(f"{numbers[0]}-{numbers[-1]}" if numbers else event)
        return words


def lines(first: int, last: int) -> list[dict[str, Any]]:
    return [{"n": n, "level": "info", "text": f"line {n}"} for n in range(first, last + 1)]


def log(seq: int, first: int, last: int) -> tuple[str, dict[str, Any]]:
    return "task_log", {"seq": seq, "lines": lines(first, last)}


@pytest.mark.req("A17", "J4")
def test_progress_over_a_hole_is_taken_and_a_snapshot_brings_the_lines_that_it_shows_to_lack() -> None:
    reader = Reader(stored=250)
    assert reader.told(
        ("progress_update", {"seq": 1, "snapshot": True, "log_total": 0}), log(2, 1, 2), ("progress_update", {"seq": 9})
    ) == ["progress_update", "1-2", "progress_update"]
    assert reader.told(("progress_update", {"seq": 90, "snapshot": True, "log_total": 250})) == [
        "3-102", "103-202", "203-250", "progress_update",
    ]  # fmt: skip
    assert reader.told(log(91, 251, 252), log(91, 251, 252), ("progress_update", {"seq": 90})) == ["251-252"]
    assert (reader.joins, reader.reads) == (0, [3, 103, 203])


@pytest.mark.req("A17", "J4")
def test_a_final_event_over_a_hole_ends_it_after_the_lines_that_lack() -> None:
    reader = Reader(stored=5)
    reader.told(("progress_update", {"seq": 1, "snapshot": True, "log_total": 0}))
    assert reader.told(("task_completed", {"seq": 70, "log_total": 5})) == ["1-5", "task_completed"]


@pytest.mark.req("A8", "A10")
def test_a_hole_before_any_other_event_is_asked_for_once() -> None:
    reader = Reader(stored=3)
    reader.told(("progress_update", {"seq": 1, "snapshot": True, "log_total": 0}))
    assert reader.told(log(4, 3, 3), ("task_retrying", {"seq": 5})) == []
    assert reader.joins == 1
    assert reader.told(log(2, 1, 2), ("progress_update", {"seq": 3}), log(4, 3, 3), ("task_retrying", {"seq": 5})) == [
        "1-2", "progress_update", "3-3", "task_retrying",
    ]  # fmt: skip
    assert (reader.joins, reader.reads) == (1, [])


@pytest.mark.req("A10", "E2")
def test_a_new_epoch_and_a_state_without_one_repeat_no_line() -> None:
    reader = Reader(stored=4)
    start = ("progress_update", {"seq": 50, "snapshot": True, "log_total": 2})
    assert reader.told(start) == ["1-4", "progress_update"], "more lines than were told of may be read already"
    assert reader.told(log(51, 3, 4)) == []
    stored = ("progress_update", {"epoch": None, "seq": None, "snapshot": True, "log_total": 4})
    assert reader.told(stored, ("progress_update", {"seq": 51})) == ["progress_update"]
    again = ("progress_update", {"epoch": "e2", "seq": 1, "snapshot": True, "log_total": 4})
    assert reader.told(again, ("task_log", {"epoch": "e2", "seq": 2, "lines": lines(5, 5)})) == [
        "progress_update",
        "5-5",
    ]


@pytest.mark.slow
@pytest.mark.req("A17", "A3", "J4")
@pytest.mark.timeout(120)
@pytest.mark.serve_options({"JOB_MODULES": "tests.sample_jobs", "PYTHONPATH": ".", "WORKERS": "1"})
def test_a_watch_that_stood_still_tells_every_line_once_and_in_order(server: Any, tmp_path: Any) -> None:
    ada = server.person("ada")
    gate, output = tmp_path / "gate", tmp_path / "output"
    task_id = start(server, ada, "count", to=LINES, log_every=1, padding=2_500, gate=str(gate))
    with output.open("wb") as told:
        watch = subprocess.Popen(
            [ROOT / "taskroom", "watch", task_id, "--json"],
            env=server.environment | {"TASKROOM_TOKEN": ada.token},
            cwd=ROOT,
            stdout=told,
        )
    try:
        wait_until(lambda: output.stat().st_size or watch.poll() is not None, 30, "it watches")
        assert watch.poll() is None, "it goes on watching"
        os.kill(watch.pid, signal.SIGSTOP)
        wait_until(lambda: _log_total(server, ada, task_id) == LINES, 60, "all lines are stored")
        os.kill(watch.pid, signal.SIGCONT)
        gate.touch()
        wait_for(server, ada, task_id, "completed")
        assert watch.wait(60) == 0
    finally:
        watch.kill()
    events = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["n"] for event in events for line in event.get("lines", ())] == list(range(1, LINES + 1))
    assert events[-1]["event"] == "task_completed"


def _log_total(server: Any, person: Any, task_id: str) -> int:
    answer = server.api("GET", f"/api/v1/tasks/{task_id}", token=person.token)
    return int(answer.json()["log_total"])
