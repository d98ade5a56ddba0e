"""The request of a WebSocket is taken in one piece; whatever is not exactly that goes the general way, unread."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest

import handshake

LINES = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1",
    "Host: taskroom.example.org",
    "Connection: keep-alive, Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Cookie: session=abc; theme=dark",
)


def request(*further: str, without: str = "nothing", first: str = LINES[0]) -> bytes:
    kept = [line for line in LINES[1:] if not line.startswith(without)]
    return "".join(f"{line}\r\n" for line in (first, *kept, *further, "")).encode("latin-1")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    client, served = socket.socketpair()
    with client, served:
        yield client, served


def test_a_websockets_request_is_understood() -> None:
    found = handshake.request_of(request("Authorization: Bearer abc  ", "X-Forwarded-For: 192.0.2.1"))
    assert found is None, "trailing blanks are for the general way"
    found = handshake.request_of(request("Authorization: Bearer abc", "X-Forwarded-For: 192.0.2.1"))
    assert found is not None
    assert found["PATH_INFO"] == "/socket.io/"
    assert found["QUERY_STRING"] == "EIO=4&transport=websocket"
    assert found["HTTP_HOST"] == "taskroom.example.org"
    assert found["HTTP_COOKIE"] == "session=abc; theme=dark"
    assert found["HTTP_AUTHORIZATION"] == "Bearer abc"
    assert found["HTTP_X_FORWARDED_FOR"] == "192.0.2.1"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(request(without="Upgrade"), id="no upgrade"),
        pytest.param(request(without="Connection"), id="an upgrade that the connection is not asked for"),
        pytest.param(request(first="GET /health HTTP/1.1"), id="another path"),
        pytest.param(request(first="GET /socket.io/../x?EIO=4 HTTP/1.1"), id="a path below"),
        pytest.param(request(first="POST /socket.io/?EIO=4 HTTP/1.1"), id="another method"),
        pytest.param(request(first="GET /socket.io/?EIO=4 HTTP/1.0"), id="an old version"),
        pytest.param(request("Content-Length: 5"), id="a body"),
        pytest.param(request("Transfer-Encoding: chunked"), id="a body in pieces"),
        pytest.param(request("Host: another.example.org"), id="a header twice"),
        pytest.param(request("X_Forwarded_For: 192.0.2.1"), id="an underscore, which could pass for a dash"),
        pytest.param(request("Remote-User : root"), id="a blank before the colon"),
        pytest.param(request(" folded"), id="a folded line"),
        pytest.param(request("X-Name: J\xfcrgen"), id="bytes beyond ASCII"),
        pytest.param(request("X-Name: a\nUpgrade: b"), id="a bare line feed"),
        pytest.param(request() + b"\x81\x80", id="more than the request"),
        pytest.param(request()[:-2], id="less than the request"),
    ],
)
def test_what_is_not_exactly_that_goes_the_general_way_unread(
    data: bytes, pair: tuple[socket.socket, socket.socket]
) -> None:
    client, served = pair
    client.sendall(data)
    assert handshake.take(served) is None
    assert served.recv(65536) == data


def test_a_taken_request_is_read_and_what_follows_is_not(pair: tuple[socket.socket, socket.socket]) -> None:
    client, served = pair
    client.sendall(request())
    assert handshake.take(served) is not None
    client.sendall(b"next")
    assert served.recv(65536) == b"next"


def test_a_client_that_says_nothing_and_leaves_is_left_to_the_general_way(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    client, served = pair
    client.shutdown(socket.SHUT_WR)
    assert handshake.take(served) is None


@pytest.mark.parametrize(("status", "said"), [("400 Bad Request", b"HTTP/1.1 400 Bad Request\r\n"), ("200 OK", b"")])
def test_a_refusal_is_answered_and_nothing_is_said_after_a_websocket_has_been_served(
    status: str, said: bytes, pair: tuple[socket.socket, socket.socket]
) -> None:
    def application(_environ: object, start_response: Callable[..., object]) -> list[bytes]:
        start_response(status, [])
        return []

    client, served = pair
    handshake.Handshake(served, application, {}).run()
    served.close()
    assert client.recv(65536)[: len(said) or None] == said
