"""A real https server on this machine that hands out one archive, and misbehaves when told to."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from pathlib import Path

from tests.fixtures.machine import missing, program


class ArchiveServer:
    """Serves `content` at every path. `behaviour`: redirect, missing, busy, hang, trickle, cut, endless."""

    def __init__(self, folder: Path) -> None:
        self.content = b""
        self.etag = '"first"'
        self.behaviour = ""
        self.requests: list[dict[str, str]] = []
        self.authority = folder / "certificate.pem"
        openssl = program("openssl") or missing("openssl is not installed")
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", str(folder / "key.pem"), "-out", str(self.authority)]
        command = [str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*command, "-days", "2", *subject, *files], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, folder / "key.pem")
        self._released = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/osv/all.zip"

    def stop(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append({name.lower(): value for name, value in self.headers.items()})
                if server.behaviour == "redirect":
                    self._head(302, Location="https://localhost/elsewhere.zip")
                elif server.behaviour in ("missing", "busy"):
                    self._head({"missing": 404, "busy": 503}[server.behaviour])
                elif server.behaviour == "hang":
                    server._released.wait(60)
                elif server.behaviour == "endless":
                    self.send_response(200)
                    self.end_headers()
                    for _ in range(100_000):
                        self.wfile.write(b"\0" * 65_536)
                elif self.headers.get("If-None-Match") == server.etag:
                    self._head(304)
                else:
                    self._answer()

            def log_message(self, *_: object) -> None:
                pass

            def _head(self, status: int, **fields: str) -> None:
                self.send_response(status)
                for name, value in {"Content-Length": "0", **fields}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()

            def _answer(self) -> None:
                content = server.content
                fields = {"ETag": server.etag, "Last_Modified": "Thu, 19 Nov 2026 10:00:00 GMT"}
                self._head(200, **fields, **{"Content-Length": str(len(content))})
                if server.behaviour == "cut":
                    self.wfile.write(content[: len(content) // 2])
                elif server.behaviour == "trickle":
                    self.wfile.write(content[:10])
                    server._released.wait(60)
                else:
                    self.wfile.write(content)

        return Handler
