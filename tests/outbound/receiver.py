"""A real HTTP receiver on this machine that keeps what it was sent, and misbehaves when told to."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import struct
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fixtures.machine import missing, program


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of `localhost` that signs itself, and its key."""
    openssl = program("openssl") or missing("openssl is not installed")
    files = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    written = ["-keyout", str(files[1]), "-out", str(files[0]), "-days", "2"]
    subprocess.run([*command, *subject, *written], check=True, capture_output=True)
    return files


@dataclass
class Receiver:
    """`status` is what it answers; `behaviour`: hang, late, drip, endless, reset, silent_body, or nothing special."""

    status: int = 200
    behaviour: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    answer: bytes = b"thank you"
    tls: tuple[Path, Path] | None = None
    received: list[Received] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.released = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        if self.tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    @property
    def authority(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"http{'s' if self.tls else ''}://{self.authority}/hook?key=hidden-in-the-path"

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body))
                getattr(self, f"_{receiver.behaviour}", self._plain)()

            do_GET = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

            def _plain(self) -> None:
                self._head(len(receiver.answer))
                self.wfile.write(receiver.answer)

            def _head(self, length: int | None = None) -> None:
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                if length is not None:
                    self.send_header("Content-Length", str(length))
                self.end_headers()

            def _hang(self) -> None:
                receiver.released.wait(60)

            def _late(self) -> None:
                receiver.released.wait(0.15)
                self._plain()

            def _drip(self) -> None:
                while not receiver.released.wait(0.02):
                    self.wfile.write(b"H")

            def _endless(self) -> None:
                self._head()
                for _ in range(100_000):
                    self.wfile.write(b"a" * 65_536)

            def _silent_body(self) -> None:
                self._head(1000)
                self.wfile.flush()
                receiver.released.wait(60)

            def _reset(self) -> None:
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()

            def handle(self) -> None:
                try:
                    super().handle()
                except OSError:
                    self.close_connection = True

            def finish(self) -> None:
                try:
                    super().finish()
                except (OSError, ValueError):
                    self.close_connection = True

        return Handler
