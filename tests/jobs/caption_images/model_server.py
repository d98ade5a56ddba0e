"""A real HTTP server that speaks Ollama's and OpenAI's protocol as captions need it, and misbehaves on demand."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SENTENCE = "Two red boats lie on a calm lake in front of green hills, and a jetty of grey wood leads to them."


class ModelServer:
    """`plan` holds how the next questions are met; without a plan every question gets SENTENCE.

    A plan entry is a text to answer, or one of: `500`, `429`, `404`, `401`, `hang`, `cut`, `html`, `shape`, `empty`,
    `flood`.
    """

    def __init__(self) -> None:
        self.plan: deque[str] = deque()
        self.always: str | None = None
        self.questions: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.images: list[bytes] = []
        self.is_over = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                server.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self.is_over.set()
        self._http.shutdown()
        self._http.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        question = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
        self.questions.append(question)
        self.headers.append(dict(handler.headers))
        step = self.plan.popleft() if self.plan else self.always or SENTENCE
        if step == "hang":
            self.is_over.wait(60)
            return
        if step == "cut":
            handler.close_connection = True
            return
        if step in ("500", "429", "404", "401"):
            words = {"error": {"message": f"no luck with {handler.headers.get('Authorization', 'nothing')}"}}
            send(handler, int(step), json.dumps(words).encode(), retry_after="1" if step == "429" else None)
            return
        if step == "html":
            send(handler, 200, b"<html>It works!</html>", "text/html")
            return
        if step == "shape":
            send(handler, 200, json.dumps({"message": ["not", "this"], "choices": {}}).encode())
            return
        if step == "flood":
            send(handler, 200, b'"' + b"a" * 3_000_000 + b'"')
            return
        self._describe(handler, question, "" if step == "empty" else step)

    def _describe(self, handler: BaseHTTPRequestHandler, question: dict[str, Any], text: str) -> None:
        message = question["messages"][0]
        if handler.path == "/api/chat":
            assert question["stream"] is False
            self._see(message["images"][0])
            answer: dict[str, Any] = {
                "model": question["model"],
                "message": {"role": "assistant", "content": text},
                "done": True,
            }
        elif handler.path == "/v1/chat/completions":
            [url] = [part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url"]
            kind, _, data = url.partition(",")
            assert kind == "data:image/jpeg;base64"
            self._see(data)
            answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}}]}
        else:
            send(handler, 404, b'{"error": "no such path"}')
            return
        send(handler, 200, json.dumps(answer).encode())

    def _see(self, data: str) -> None:
        try:
            self.images.append(base64.b64decode(data, validate=True))
        except binascii.Error:
            self.images.append(b"")


def send(
    handler: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    kind: str = "application/json",
    retry_after: str | None = None,
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    if retry_after:
        handler.send_header("Retry-After", retry_after)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def model_server() -> Iterator[ModelServer]:
    """A server for one test."""
    server = ModelServer()
    try:
        yield server
    finally:
        server.close()


def eventually(condition: Any, within_s: float = 20.0) -> None:
    """Wait for a condition that another thread brings about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
