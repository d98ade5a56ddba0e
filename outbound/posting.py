"""One POST to one address that was judged, within a time and a size: what a webhook's receiver is, and no more.

Redirects are not followed, no proxy is asked, and the name is looked up once: the connection goes to an IP address that
was judged, while Host, TLS name and certificate stay those of the name.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ip_addresses import IPAddress, PrivateAddress, resolve_host
from outbound.addresses import Target

CONNECT_S = 5.0
READ_S = 10.0
TOTAL_S = 20.0
ANSWER_BYTES = 2048
MAX_ADDRESSES = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a try. Without `status` nothing was answered, and `trouble` says why in a sentence."""

    status: int | None
    duration_ms: int
    trouble: str | None = None
    answer: str = ""
    retry_after_s: float | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300


def post(
    target: Target, body: bytes, headers: Mapping[str, str], authority: Path | None = None, total_s: float = TOTAL_S
) -> Outcome:
    """Send once, and say what came of it; never raises for what the network or the receiver does.

    `authority`, a certificate file, is there for tests with a receiver on this machine.
    """
    began_s = time.monotonic()
    try:
        addresses = resolve_host(target.host, target.port, target.may_connect)
    except PrivateAddress:
        return _trouble(began_s, f"{target.host} leads to a private address, to which nothing is sent.")
    except (OSError, UnicodeError):
        return _trouble(began_s, f"The name {target.host} cannot be resolved.")
    connection = _Connection(target, addresses[:MAX_ADDRESSES], authority)
    clock = threading.Timer(total_s, connection.cut)
    clock.daemon = True
    clock.start()
    try:
        return _ask(connection, target, body, headers, began_s)
    except ssl.SSLCertVerificationError:
        return _trouble(began_s, "The receiver's certificate is not trusted by this server.")
    except TimeoutError:
        return _trouble(began_s, "The receiver took too long.")
    except (OSError, http.client.HTTPException, ValueError):
        is_cut = "The receiver took too long." if connection.is_cut else None
        return _trouble(began_s, is_cut or connection.trouble or "The receiver hung up.")
    finally:
        clock.cancel()
        connection.close()


@functools.lru_cache(maxsize=4)
def trusting(authority: Path | None = None) -> ssl.SSLContext:
    """What certificates are checked with: the machine's authorities, or those in a file. To read them takes 20 ms."""
    return ssl.create_default_context(cafile=str(authority) if authority else None)


class _Connection(http.client.HTTPConnection):
    """A connection to the first of the judged addresses that answers."""

    def __init__(self, target: Target, addresses: list[IPAddress], authority: Path | None) -> None:
        super().__init__(target.host, target.port)
        self._authority = authority
        self._target = target
        self._addresses = addresses
        self._wire: socket.socket | None = None  # the response takes `sock` away with it
        self.trouble: str | None = None
        self.is_cut = False

    def connect(self) -> None:
        self.trouble = "The receiver could not be reached."
        self.sock = self._reach()
        self.sock.settimeout(READ_S)
        if self._target.is_tls:
            self.trouble = "The receiver and this server found no common TLS."
            self.sock = trusting(self._authority).wrap_socket(self.sock, server_hostname=self._target.host)
        self._wire, self.trouble = self.sock, None
        if self.is_cut:  # before there was a connection that could be
            raise TimeoutError

    def _reach(self) -> socket.socket:
        *others, last = self._addresses
        for each in others:
            try:
                return socket.create_connection((str(each), self._target.port), CONNECT_S)
            except OSError:
                continue
        return socket.create_connection((str(last), self._target.port), CONNECT_S)

    def cut(self) -> None:
        """Time is over, however slowly bytes still come."""
        self.is_cut = True
        if self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)


def _ask(connection: _Connection, target: Target, body: bytes, headers: Mapping[str, str], began_s: float) -> Outcome:
    fixed = {"Host": target.authority, "User-Agent": "taskroom", "Content-Type": "application/json"}
    connection.request("POST", target.path, body, {**fixed, "Connection": "close", **headers})
    with connection.getresponse() as response:
        duration_ms = _since(began_s)
        try:
            beginning = response.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException):
            beginning = b""  # the status is the answer; the rest was only for people to read
        later_s = response.headers.get("Retry-After", "")
        return Outcome(
            response.status,
            duration_ms,
            _words(response.status),
            beginning.decode("utf-8", "replace"),
            float(later_s) if later_s.isascii() and later_s.isdigit() and len(later_s) < 7 else None,
        )


def _words(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    if 300 <= status < 400:
        return "The receiver sends this address elsewhere, which is not followed. Give the final address."
    if status == 410:
        return "The receiver wants nothing more (410), so this webhook was switched off."
    return f"The receiver answered {status}."


def _trouble(began_s: float, words: str) -> Outcome:
    return Outcome(None, _since(began_s), words)


def _since(began_s: float) -> int:
    return round((time.monotonic() - began_s) * 1000)
