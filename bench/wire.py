"""WebSocket frames and Engine.IO packets of a client, by hand: as little as a load generator needs, and right.

RFC 6455, https://github.com/socketio/engine.io-protocol and https://github.com/socketio/socket.io-protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

TEXT, CLOSE = 1, 8
COMPRESSED = 0x40
PONG = b"\x81\x81\0\0\0\x003"
"""the answer to an Engine.IO ping: the text `3`"""


def text_frame(text: str) -> bytes:
    """A client's text frame; masked, as it must be, with a mask of zeros."""
    data = text.encode()
    if len(data) < 126:
        return struct.pack("!BBI", 0x81, 0x80 | len(data), 0) + data
    return struct.pack("!BBHI", 0x81, 0x80 | 126, len(data), 0) + data


def request(path: str, host: str, with_deflate: bool) -> bytes:
    """The request that opens a WebSocket; with `with_deflate` it offers compression as browsers do."""
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if with_deflate else ""
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    ).encode()


class Frames:
    """Cuts what comes from a server into frames, across the borders of reads."""

    def __init__(self, rest: bytes = b"") -> None:
        self.rest = rest

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The first byte and the payload of each frame that is complete."""
        data = self.rest + data if self.rest else data
        at, end = 0, len(data)
        try:
            while end - at >= 2:
                length, start = data[at + 1] & 127, at + 2
                if length == 126:
                    if end - at < 4:
                        break
                    length, start = data[at + 2] << 8 | data[at + 3], at + 4
                elif length == 127:
                    if end - at < 10:
                        break
                    length, start = int.from_bytes(data[at + 2 : at + 10]), at + 10
                if start + length > end:
                    break
                first, at, payload = data[at], start + length, data[start : start + length]
                yield first, payload
        finally:
            self.rest = data[at:]
