"""The bench counts what it says it counts: against real sockets and real servers, and against plain arithmetic."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import goals, message, picture, report, stats
from bench.drain import CDrain, Drain, PythonDrain, compiled
from bench.fanout import HIGHEST, LOWEST, capacity
from bench.machine import raise_file_limit
from bench.stage import Stage
from bench.wire import PONG, Frames, request, text_frame
from tests.fixtures.machine import missing

ROOT = Path(__file__).resolve().parent.parent


def c_drain() -> Drain:
    """The compiled loop, where there is a compiler."""
    library = compiled() or missing("there is no C compiler (cc)")
    return CDrain(library)


DRAINS: dict[str, Callable[[], Drain]] = {"Python": PythonDrain, "C": c_drain}


def server_frame(text: str) -> bytes:
    """A text frame as servers send it, unmasked."""
    data = text.encode()
    if len(data) < 126:
        return bytes([0x81, len(data)]) + data
    if len(data) < 65536:
        return bytes([0x81, 126]) + len(data).to_bytes(2) + data
    return bytes([0x81, 127]) + len(data).to_bytes(8) + data


def event(step: int, number: int, padding: int = 0) -> bytes:
    """The frame of an event that was sent just now."""
    marked = message.mark(step, number, time.monotonic_ns()).decode()
    text = json.dumps(message.fields("task", padding), separators=(",", ":")).replace(message.HOLE, marked)
    return server_frame(f'42["progress_update",{text}]')


def received(drain: Drain, stream: bytes, cuts: random.Random) -> bytes:
    """Send the stream over a real connection in pieces of any size; what the client said meanwhile."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        served, _ = listening.accept()
        client.setblocking(False)
        drain.add(client, stream[:7])

        def send() -> None:
            at = 7
            while at < len(stream):
                size = cuts.choice((1, 2, 100, 1000, 10_000))
                served.sendall(stream[at : at + size])
                at += size

        sender = threading.Thread(target=send)
        sender.start()
        while sender.is_alive():
            drain.run(0.02)
        sender.join()
        drain.run(0.1)
        served.setblocking(False)
        try:
            said = served.recv(1000)
        except BlockingIOError:
            said = b""
        drain.remove(client)
        client.close()
        served.close()
        return said


@pytest.mark.req("K3")
@pytest.mark.parametrize("kind", DRAINS)
def test_each_event_is_counted_once_however_it_arrives_and_pings_are_answered(kind: str) -> None:
    drain = DRAINS[kind]()
    drain.reset(step=7, half=100)
    frames = [event(7, number, padding=number * 300 % 70_000) for number in range(200)]
    frames.insert(50, server_frame("2"))
    frames.insert(120, server_frame('42["connected",{"sid":"x"}]'))
    frames.insert(130, server_frame("2"))
    frames.insert(0, event(6, 3))
    said = received(drain, b"".join(frames), random.Random(kind))
    figures = drain.figures()
    assert (figures.received, figures.disorder, figures.stray, figures.pings, figures.closed) == (200, 0, 1, 2, 0)
    assert said == PONG * 2
    early, late = drain.latencies()
    assert (sum(early), sum(late)) == (100, 100)


@pytest.mark.req("K3")
@pytest.mark.parametrize("kind", DRAINS)
def test_a_lost_a_doubled_and_a_swapped_event_do_not_pass(kind: str) -> None:
    for numbers, count, disorder in (((0, 1, 3, 4), 4, 1), ((0, 1, 1, 2), 4, 1), ((1, 0, 2), 3, 3)):
        drain = DRAINS[kind]()
        drain.reset(step=1, half=0)
        received(drain, b"".join(event(1, number) for number in numbers), random.Random(1))
        assert (drain.figures().received, drain.figures().disorder) == (count, disorder)


@pytest.mark.parametrize("kind", DRAINS)
def test_a_server_that_hangs_up_is_noticed(kind: str) -> None:
    drain = DRAINS[kind]()
    client, served = socket.socketpair()
    client.setblocking(False)
    drain.add(client, b"")
    served.close()
    drain.run(0.02)
    assert drain.figures().closed == 1
    client.close()


@pytest.mark.slow
@pytest.mark.req("K3")
@pytest.mark.parametrize("server", ["taskroom", "stock"])
def test_a_real_server_delivers_what_the_one_publisher_sends(tmp_path: Path, server: str) -> None:
    raise_file_limit()
    stage = Stage(tmp_path, [server], ROOT)
    try:
        stage.start()
        contender = stage.contenders[server]
        rooms = contender.rooms(2)
        opened = stage.open(contender, 30, rooms)
        assert set(opened["acks"]) == set(rooms)
        stage.aim(contender, opened["acks"])
        for _ in range(2):
            step = stage.step(contender, 100.0, 0.4, 15, rooms=2)
            assert (step.received, step.expected, step.disorder) == (600, 600, 0)
            assert step.is_valid
            assert 0 < step.p50_ms <= step.p99_ms < float("inf")
            assert step.cpu_us > 0
        unheard = stage.step(contender, 50.0, 0.2, 31, rooms=2)
        assert not unheard.is_valid, "a step with a member too many has to fail"
    finally:
        stage.stop()


@given(st.lists(st.integers(0, 100_000_000), min_size=1, max_size=200), st.sampled_from([0.0, 0.5, 0.9, 0.99, 1.0]))
@settings(deadline=None, max_examples=60)
def test_percentiles_of_the_histogram_are_those_of_the_values(values: list[int], share: float) -> None:
    histogram = [0] * stats.BUCKETS
    for value in values:
        histogram[stats.bucket(value)] += 1
    rank = max(1, -(-len(values) * share // 1))
    exact = sorted(values)[int(rank) - 1]
    found = stats.percentile(histogram, share)
    assert found is not None
    assert abs(found * 1000 - exact) <= 0.5 + exact * 0.002


def test_nothing_has_no_percentile() -> None:
    assert stats.percentile([0] * stats.BUCKETS, 0.99) is None


@given(st.lists(st.text(max_size=300), max_size=8), st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_frames_are_cut_right_across_the_borders_of_reads(texts: list[str], sizes: list[int]) -> None:
    stream = b"".join(server_frame(text) for text in texts)
    frames, found, at, turn = Frames(), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += [payload.decode() for _, payload in frames.feed(stream[at : at + size])]
        at, turn = at + size, turn + 1
    assert (found, frames.rest) == (texts, b"")


def test_what_a_client_sends_is_masked_with_zeros() -> None:
    assert text_frame("40")[:2] == bytes([0x81, 0x82])
    assert text_frame("x" * 200)[1] == 0x80 | 126
    assert b"permessage-deflate" in request("/", "h", with_deflate=True)
    assert b"permessage-deflate" not in request("/", "h", with_deflate=False)


@pytest.mark.parametrize("truth", [900.0, 77_000.0, 1_234_567.0])
@pytest.mark.parametrize("start", [1_000.0, 40_000.0, 9_000_000.0])
def test_capacity_finds_the_highest_rate_that_passes(truth: float, start: float) -> None:
    found = capacity(lambda rate: rate <= truth, start, 2.0, 4)
    assert truth / 1.05 <= found <= truth


def test_capacity_ends_where_everything_passes() -> None:
    assert capacity(lambda _: True, 40_000.0, 2.0, 1) < 2 * HIGHEST
    assert capacity(lambda _: True, HIGHEST * 1.1, 1.5, 1) >= HIGHEST * 1.1


def test_capacity_is_nothing_where_nothing_passes() -> None:
    tried: list[float] = []
    assert capacity(lambda rate: bool(tried.append(rate)), 40_000.0, 2.0, 4) == 0
    assert min(tried) >= LOWEST


def test_messagepack_is_what_the_specification_says() -> None:
    assert message.msgpack([None, True, 5, 1000, "ab"]) == (
        b"\xdc\x00\x05" + b"\xc0" + b"\xc3" + b"\x05" + b"\xd2\x00\x00\x03\xe8" + b"\xda\x00\x02ab"
    )
    assert message.msgpack({"a": 1.5}) == b"\xde\x00\x01\xda\x00\x01a\xcb?\xf8" + bytes(6)


def test_taskrooms_events_continue_the_sequence_and_agree_with_their_header() -> None:
    route = message.Published("taskroom:task:t", "e", 9, message.body("t"))
    for seq in (10, 11):
        mark = message.mark(1, seq, 5).decode()
        words = route.command(mark.encode()).split(b"\r\n")
        assert len(words[-2]) == int(words[-3][1:])
        header, _, packet = words[-2].decode().partition("\n")
        name, data = json.loads(packet[1:])
        assert header == f"e {seq} {name}"
        assert (data["epoch"], data["seq"], data["task_id"], data["mark"]) == ("e", seq, "t", mark)


def test_goals_are_compared_by_medians_and_what_was_not_measured_is_not_met() -> None:
    rows = {
        "steady": {
            "taskroom": {"p99_ms": [3.0, 90.0, 5.0], "cpu_us": [7.0]},
            "stock": {"p99_ms": [50.0], "cpu_us": [20.0]},
        }
    }
    of = {(goal.row, goal.metric): goals.checked(rows, goal) for goal in goals.GOALS}
    assert [(each.value, each.is_met) for each in of["steady", "p99_ms"]] == [(0.1, True), (None, None), (5.0, True)]
    assert [(each.value, each.is_met) for each in of["steady", "cpu_us"]] == [(0.35, False), (None, None)]
    assert {each.is_met for each in of["connect", "per_s"]} == {None}


@pytest.mark.req("K3")
def test_the_readme_shows_the_reference_run_with_its_ratios() -> None:
    found = json.loads(report.REFERENCE.read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert report.put_into(readme, report.section(found)) == readme, "run: python -m bench.report"
    assert (ROOT / "docs" / "images" / "bench.svg").read_text(encoding="utf-8") == picture.svg(found["rows"])
    assert "≥ 6 × Node: " in report.text(found)
    assert not found["meta"]["quick"]
