"""WebSocket frames (RFC 6455) as a server needs them: text out, whole checked messages in, nothing compressed."""

from __future__ import annotations

from dataclasses import dataclass
from struct import pack

from delivery.packets import Malformed

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
MAX_FRAGMENTS = 16
MAX_CONTROL_BYTES = 125


def frame(payload: bytes, opcode: int = TEXT) -> bytes:
    """One final, unmasked frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    if size < 0x10000:
        return pack("!BBH", 0x80 | opcode, 126, size) + payload
    return pack("!BBQ", 0x80 | opcode, 127, size) + payload


def close_frame(code: int = 1000) -> bytes:
    """The frame that says goodbye."""
    return frame(pack("!H", code), CLOSE)


@dataclass(frozen=True, slots=True)
class Message:
    """One whole message of a client: TEXT, BINARY, or a control frame; `text` is set for TEXT alone."""

    opcode: int
    data: bytes
    text: str = ""


class FrameReader:
    """Turns a client's bytes into messages. Between messages it keeps nothing.

    What breaks the standard, or is longer than `max_bytes`, raises Malformed; the stream is unusable from there on.
    """

    __slots__ = ("_buffer", "_max_bytes", "_opcode", "_pieces", "_size")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffer = b""
        self._pieces: list[bytes] = []
        self._opcode = 0
        self._size = 0

    @property
    def is_idle(self) -> bool:
        """Whether the next byte begins a new message."""
        return not self._buffer and not self._opcode

    def feed(self, data: bytes) -> list[Message]:
        """The messages that these bytes complete."""
        buffer = self._buffer + data if self._buffer else data
        messages: list[Message] = []
        start = 0
        while (found := self._frame(buffer, start)) is not None:
            first, payload, start = found
            message = self._take(first, payload)
            if message is not None:
                messages.append(message)
        self._buffer = buffer[start:]
        return messages

    def _frame(self, buffer: bytes, start: int) -> tuple[int, bytes, int] | None:
        """First byte, payload and end of the frame at `start`, or None while it is not all there."""
        if len(buffer) < start + 2:
            return None
        first, second = buffer[start], buffer[start + 1]
        self._check_head(first, second)
        size, at = second & 0x7F, start + 2
        if size > MAX_CONTROL_BYTES:
            width = 2 if size == 126 else 8
            if len(buffer) < at + width:
                return None
            size = int.from_bytes(buffer[at : at + width], "big")
            at += width
            if size < (126 if width == 2 else 0x10000):
                raise Malformed("a frame whose length is written too long")
        if self._size + size > self._max_bytes:
            raise Malformed(f"a message over {self._max_bytes} bytes")
        end = at + 4 + size
        if len(buffer) < end:
            return None
        return first, unmask(buffer[at + 4 : end], buffer[at : at + 4]), end

    def _check_head(self, first: int, second: int) -> None:
        opcode, is_final = first & 0xF, first & 0x80
        if first & 0x70 or opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise Malformed(f"a frame that begins with {first:#04x}")
        if not second & 0x80:
            raise Malformed("a frame without a mask")
        if opcode >= CLOSE:
            if not is_final or second & 0x7F > MAX_CONTROL_BYTES:
                raise Malformed("a control frame in pieces, or too long")
        elif (opcode == CONTINUATION) != bool(self._opcode):
            raise Malformed("a message that begins inside another, or nowhere")

    def _take(self, first: int, payload: bytes) -> Message | None:
        opcode = first & 0xF
        if opcode >= CLOSE:
            return Message(opcode, payload)
        self._opcode = self._opcode or opcode
        self._pieces.append(payload)
        self._size += len(payload)
        if len(self._pieces) > MAX_FRAGMENTS:
            raise Malformed("a message in too many pieces")
        if not first & 0x80:
            return None
        whole, opcode = b"".join(self._pieces), self._opcode
        self._pieces, self._opcode, self._size = [], 0, 0
        if opcode == BINARY:
            return Message(BINARY, whole)
        try:
            return Message(TEXT, whole, whole.decode())
        except UnicodeDecodeError:
            raise Malformed("text that is not UTF-8") from None


def unmask(data: bytes, mask: bytes, length: int | None = None, offset: int = 0) -> bytes:
    """RFC 6455, 5.3, as one operation on whole numbers instead of one per byte, which takes 10 ms for 64 KiB."""
    size = len(data) if length is None else length
    turned = bytes(mask)[offset % 4 :] + bytes(mask)[: offset % 4]
    key = (turned * (size // 4 + 1))[:size]
    return (int.from_bytes(data[:size], "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
