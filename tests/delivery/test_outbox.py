"""The outbox of one client: nothing is torn, doubled or out of order, and who does not read costs the bound."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery.outbox import MAX_WAITING_BYTES, Batch, Outbox, Outgoing

pytestmark = pytest.mark.req("A17")


class Wire:
    """A socket that takes as many bytes as it is told, and the client behind it."""

    def __init__(self) -> None:
        self.room, self.stream = 0, b""
        self.lost: list[frozenset[str]] = []
        self.told: list[str] = []
        self.outbox = Outbox(self)

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        taken = data[: self.room]
        self.stream += taken
        self.room -= len(taken)
        return len(taken)

    def read(self, room: int = 10**9) -> None:
        self.room = room
        self.outbox.flush()

    def rooms_given_up(self, lost: frozenset[str]) -> None:
        self.lost.append(lost)

    def __getattr__(self, name: str):
        if name in ("packets_wait", "caught_up", "has_to_go", "is_broken", "all_said"):
            return lambda: self.told.append(name)
        raise AttributeError(name)

    def packets(self) -> list[str]:
        found, rest = [], self.stream
        while rest:
            size, head = rest[1], 2
            if size == 126:
                size, head = int.from_bytes(rest[2:4], "big"), 4
            elif size == 127:
                size, head = int.from_bytes(rest[2:10], "big"), 10
            assert rest[0] == 0x81
            found.append(rest[head : head + size].decode())
            rest = rest[head + size :]
        return found


def progress(text: str, task: str = "t") -> Outgoing:
    return Outgoing(text.encode(), task, is_progress=True)


def line(text: str, task: str = "t") -> Outgoing:
    return Outgoing(text.encode(), task)


def reply(text: str) -> Outgoing:
    return Outgoing(text.encode())


@pytest.fixture
def wire() -> Wire:
    one = Wire()
    one.outbox.connect(one.send)
    return one


ITEMS = st.tuples(st.sampled_from("plr"), st.sampled_from("tu"), st.integers(1, 300))


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 500), st.lists(ITEMS, min_size=1, max_size=4)), max_size=30), st.booleans())
def test_whatever_the_socket_takes_frames_are_whole_and_in_order(script, begins_late):
    wire, sent = Wire(), []
    if not begins_late:
        wire.outbox.connect(wire.send)
    for room, items in script:
        batch = []
        for kind, task, size in items:
            text = f"{kind}{task}{len(sent)}:" + "x" * size
            sent.append(text)
            batch.append({"p": progress, "l": line}[kind](text, task) if kind != "r" else reply(text))
        wire.room += room
        wire.outbox.write(Batch.of(batch))
    wire.outbox.connect(wire.send)
    wire.read()
    got = wire.packets()
    assert got == [text for text in sent if text in set(got)], "in order, and each at most once"
    missing = [text for text in sent if text not in set(got)]
    assert all(text[0] == "p" for text in missing), "only progress may be overtaken"
    for text in missing:
        later = [one for one in sent[sent.index(text) + 1 :] if one[0] != "r" and one[1] == text[1]]
        assert later[0][0] == "p", "and only by progress of the same task that follows it directly"
    assert wire.outbox.size == 0
    assert not wire.lost


def test_what_waits_is_written_in_one_piece(wire):
    for number in range(20):
        wire.outbox.write(Batch.of([line(str(number))]))
    calls = []
    wire.outbox.connect(lambda data: calls.append(data) or len(data))
    assert len(calls) == 1


def test_a_client_that_does_not_read_costs_the_bound_and_is_told_to_catch_up(wire):
    wire.outbox.write(Batch.of([reply("an answer")]))
    for number in range(1000):
        wire.outbox.write(Batch.of([line(f"{number}" * 1000, "t"), line("u", "u")]))
        assert wire.outbox.size <= MAX_WAITING_BYTES
    assert wire.lost == [frozenset("tu")]
    assert wire.outbox.is_overrun
    wire.read()
    assert wire.packets() == ["an answer"]
    assert "caught_up" in wire.told
    assert not wire.outbox.is_overrun
    wire.outbox.write(Batch.of([line("the present")]))
    assert wire.packets()[-1] == "the present"


def test_a_frame_that_has_begun_is_not_torn_when_the_rest_is_given_up(wire):
    wire.room = 5
    wire.outbox.write(Batch.of([line("a" * 100)]))
    for _ in range(MAX_WAITING_BYTES // 1000 + 10):
        wire.outbox.write(Batch.of([line("b" * 1000)]))
    assert wire.lost == [frozenset("t")]
    wire.read()
    assert wire.packets() == ["a" * 100]


def test_replies_are_kept_and_who_lets_them_pile_up_has_to_go(wire):
    for _ in range(MAX_WAITING_BYTES // 1000 - 10):
        wire.outbox.write(Batch.of([reply("r" * 1000)]))
    assert "has_to_go" not in wire.told
    for _ in range(20):
        wire.outbox.write(Batch.of([reply("r" * 1000)]))
    assert "has_to_go" in wire.told
    assert wire.outbox.size <= MAX_WAITING_BYTES + 1100, "the bound, and one more"


@pytest.mark.parametrize("make", [line, reply])
def test_a_packet_longer_than_the_bound_is_whole_once_it_has_begun(wire, make):
    long = "a" * (3 * MAX_WAITING_BYTES)
    wire.room = 1000
    wire.outbox.write(Batch.of([make(long)]))
    wire.outbox.write(Batch.of([reply("pong"), line("b")]))
    assert "has_to_go" not in wire.told, "who is only slow may read on"
    for _ in range(100):
        wire.read(MAX_WAITING_BYTES // 10)
    assert wire.packets() == [long, "pong", "b"]
    assert (wire.lost, wire.outbox.size) == ([], 0)


def test_a_long_reply_waits_behind_others(wire):
    wire.outbox.write(Batch.of([reply("first")]))
    wire.outbox.write(Batch.of([reply("log" * MAX_WAITING_BYTES)]))
    assert "has_to_go" not in wire.told
    wire.read()
    assert wire.packets() == ["first", "log" * MAX_WAITING_BYTES]


def test_everything_goes_out_before_the_goodbye_and_nothing_after_it(wire):
    wire.outbox.write(Batch.of([reply("last words")]))
    wire.outbox.end()
    wire.outbox.write(Batch.of([reply("too late")]))
    assert "all_said" not in wire.told
    wire.read()
    assert wire.packets() == ["last words"]
    assert wire.told[-1] == "all_said"


def test_newer_progress_does_not_come_before_what_was_said_in_between(wire):
    wire.outbox.write(Batch.of([reply("joined"), progress("1"), reply("left"), progress("2")]))
    wire.read()
    assert wire.packets() == ["joined", "left", "2"]


def test_polling_takes_what_waits_in_order():
    wire = Wire()
    for number in range(5):
        wire.outbox.write(Batch.of([line(str(number))]))
    assert [item.packet for item in wire.outbox.poll(3)] == ["0", "1", "2"]
    assert [item.packet for item in wire.outbox.poll(3)] == ["3", "4"]
    assert wire.outbox.size == 0


def test_polling_is_sent_ahead_at_once_when_an_event_alone_is_longer_than_the_bound():
    wire = Wire()
    wire.outbox.write(Batch.of([line("a" * (MAX_WAITING_BYTES + 1))]))
    assert wire.lost == [frozenset("t")]
    assert wire.told[-1] == "caught_up"
    wire.outbox.write(Batch.of([line("snapshot")]))
    assert [item.packet for item in wire.outbox.poll(3)] == ["snapshot"]
