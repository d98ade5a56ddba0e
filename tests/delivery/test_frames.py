"""WebSocket frames: what goes out and comes in is what another implementation of the standard reads and writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.utilities import ProtocolError

from delivery.frames import BINARY, CLOSE, MAX_FRAGMENTS, PING, PONG, TEXT, FrameReader, close_frame, frame
from delivery.packets import Malformed

pytestmark = pytest.mark.req("D5")

MAX = 70_000
TEXTS = st.text(max_size=40) | st.integers(120, 130).map("a".__mul__) | st.sampled_from(["x" * 65_535, "x" * 65_536])
MESSAGES = st.one_of(
    TEXTS.map(lambda text: TextMessage(data=text)),
    st.binary(max_size=40).map(lambda data: BytesMessage(data=data)),
    st.binary(max_size=125).map(lambda data: Ping(payload=data)),
    st.binary(max_size=125).map(lambda data: Pong(payload=data)),
)


def read(stream: bytes, cuts: list[int]) -> list[tuple[int, bytes]]:
    """What comes out of the stream when it arrives in pieces that end at these places."""
    reader, start, got = FrameReader(MAX), 0, []
    for end in [*sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]:
        got += reader.feed(stream[start:end])
        start = end
    assert reader.is_idle
    return [(message.opcode, message.text.encode() if message.opcode == TEXT else message.data) for message in got]


def expected(event: object) -> tuple[int, bytes]:
    match event:
        case TextMessage(data=text):
            return TEXT, text.encode()
        case BytesMessage(data=data):
            return BINARY, bytes(data)
        case Ping(payload=data):
            return PING, bytes(data)
        case Pong(payload=data):
            return PONG, bytes(data)
    raise AssertionError(event)


@given(st.lists(MESSAGES, min_size=1, max_size=6), st.lists(st.integers(0, 200_000), max_size=5))
def test_what_a_client_writes_is_read_however_it_is_cut(messages, cuts):
    client = Connection(ConnectionType.CLIENT)
    stream = b"".join(client.send(message) for message in messages)
    assert read(stream, cuts) == [expected(message) for message in messages]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=MAX_FRAGMENTS), st.lists(st.integers(0, 2000), max_size=4))
def test_a_message_in_pieces_with_a_ping_between_them_is_whole(pieces, cuts):
    client = Connection(ConnectionType.CLIENT)
    stream = b"".join(
        client.send(TextMessage(data=piece, message_finished=place == len(pieces) - 1))
        + (client.send(Ping(payload=b"?")) if place == 0 and len(pieces) > 1 else b"")
        for place, piece in enumerate(pieces)
    )
    pings = [(PING, b"?")] if len(pieces) > 1 else []
    assert read(stream, cuts) == [*pings, (TEXT, "".join(pieces).encode())]


@given(TEXTS, st.binary(max_size=125))
def test_what_goes_out_is_read_by_a_client(text, data):
    client = Connection(ConnectionType.CLIENT)
    client.receive_data(frame(text.encode()) + frame(data, PONG) + close_frame(1001))
    events = list(client.events())
    assert "".join(event.data for event in events if isinstance(event, TextMessage)) == text
    assert [bytes(event.payload) for event in events if isinstance(event, Pong)] == [data]
    assert [event.code for event in events if isinstance(event, CloseConnection)] == [1001]


@given(st.binary(min_size=2, max_size=60))
def test_bytes_of_strangers_are_read_as_the_standard_reads_them_or_refused(stream):
    """Whatever is accepted here, the other implementation accepts too, and reads the same."""
    reader = FrameReader(MAX)
    try:
        got = reader.feed(stream)
    except Malformed:
        return
    server = Connection(ConnectionType.SERVER)
    server.receive_data(stream)
    try:
        texts = [event.data for event in server.events() if isinstance(event, TextMessage) and event.message_finished]
    except ProtocolError as error:  # it looks into goodbyes, which are only answered here
        assert any(message.opcode == CLOSE for message in got), error
        return
    if all(message.opcode != CLOSE for message in got):
        assert len([message for message in got if message.opcode == TEXT]) == len(texts)


MASK = b"\x01\x02\x03\x04"


@pytest.mark.parametrize(
    "stream",
    [
        b"\x81\x01x",
        b"\xc1\x80" + MASK,
        b"\x83\x80" + MASK,
        b"\x09\x80" + MASK,
        b"\x89\xfe\x00\x7e" + MASK,
        b"\x80\x80" + MASK,
        b"\x01\x80" + MASK + b"\x81\x80" + MASK,
        b"\x81\xfe\x00\x05" + MASK + b"12345",
        b"\x81\xff" + (200).to_bytes(8, "big"),
        b"\x81\xff" + (2**62).to_bytes(8, "big"),
        b"\x81\x81" + MASK + b"\xfe",
        b"\x01\x80" + MASK + (b"\x00\x80" + MASK) * MAX_FRAGMENTS,
    ],
    ids=[
        "no mask", "reserved bit", "reserved opcode", "control in pieces", "long control", "continues nothing",
        "begins inside", "length too long", "length in eight bytes", "huge", "not UTF-8", "too many pieces",
    ],
)  # fmt: skip
def test_what_breaks_the_standard_is_refused(stream):
    with pytest.raises(Malformed):
        FrameReader(MAX).feed(stream)


def test_pieces_together_over_the_limit_are_refused():
    reader = FrameReader(100)
    assert reader.feed(b"\x01\xbc" + MASK + bytes(60)) == []
    with pytest.raises(Malformed):
        reader.feed(b"\x80\xbc" + MASK + bytes(60))
