"""A real git server over https on this machine: git's http-backend behind a small CGI, with its own certificate."""

from __future__ import annotations

import http.server
import shutil
import ssl
import subprocess
import threading
from pathlib import Path
from urllib.parse import urlsplit

from tests.fixtures.machine import missing, program
from tests.jobs.code_scan.scanning import write

AS_SOMEBODY = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "init.defaultBranch=main"]


class GitServer:
    """Serves the bare repositories below `folder`. `behaviour` may be "redirect", "hang" or "busy"."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.behaviour = ""
        self.requests: list[str] = []
        self.authority = folder / "certificate.pem"
        self._make_certificate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, folder / "key.pem")
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def url(self, name: str = "app.git") -> str:
        return f"https://localhost:{self.port}/{name}"

    def stop(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def add_repository(self, name: str, files: dict[str, str | bytes], branch: str = "main") -> str:
        """Commit files to a new repository and serve it; returns the commit."""
        work = write(self.folder / f"work-{name}", files)
        git(work, "init", "-q", "-b", branch)
        return self.publish(name)

    def publish(self, name: str, message: str = "change") -> str:
        """Commit what lies in the repository's work folder."""
        work = self.folder / f"work-{name}"
        git(work, "add", "--all", "--force")
        git(work, "commit", "-q", "--allow-empty", "-m", message)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        git(self.folder, "clone", "-q", "--bare", str(work), name)
        git(self.folder / name, "config", "uploadpack.allowAnySHA1InWant", "true")
        return git(work, "rev-parse", "HEAD")

    def _make_certificate(self) -> None:
        openssl = program("openssl") or missing("openssl is not installed")
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", str(self.folder / "key.pem"), "-out", str(self.authority)]
        command = [str(openssl), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        subprocess.run([*command, "-days", "2", *subject, *files], check=True, capture_output=True)

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.requests.append(self.path)
                if server.behaviour == "redirect":
                    self.send_response(302)
                    self.send_header("Location", self.path.replace("/app.git", "/other.git"))
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif server.behaviour == "busy":
                    self.send_error(503)
                elif server.behaviour == "hang":
                    server._released.wait(60)
                else:
                    self._answer()

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                environment = {
                    "PATH": "/usr/bin:/bin",
                    "GIT_PROJECT_ROOT": str(server.folder),
                    "GIT_HTTP_EXPORT_ALL": "1",
                    "PATH_INFO": parts.path,
                    "QUERY_STRING": parts.query,
                    "REQUEST_METHOD": self.command,
                    "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                    "CONTENT_LENGTH": str(len(body)),
                    "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                    "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
                    "REMOTE_ADDR": "127.0.0.1",
                    "HOME": str(server.folder),
                }
                said = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True).stdout
                head, _, content = said.partition(b"\r\n\r\n")
                fields = [line.partition(": ") for line in head.decode().split("\r\n")]
                status = next((value for name, _, value in fields if name == "Status"), "200 OK")
                self.send_response(int(status.split()[0]))
                for name, _, value in fields:
                    if name != "Status":
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        return Handler


def git(folder: Path, *arguments: str) -> str:
    """Run git as somebody, and return what it says."""
    said = subprocess.run(["git", *AS_SOMEBODY, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return said.stdout.strip()
