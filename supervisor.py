"""`serve`: the web process, workers, scheduler and embedded Redis as one thing that starts, lives and stops.

A part that dies is started again, with growing pauses while it keeps dying. SIGTERM and Ctrl-C drain: the web process
sends its sockets away, workers finish or hand over, and Redis goes last. When `serve` itself is killed, its parts drain
too (on Linux; elsewhere the next start finds the port taken and says so), and only Redis stays until the next start.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import accounts
from config import Config
from database import Database
from embedded_redis import EmbeddedRedis

log = logging.getLogger("taskroom.serve")

ROOT = Path(__file__).resolve().parent
STOP_WITHIN_S = 27.0
LOOK_EVERY_S = 0.2
READY_WITHIN_S = 60.0
FIRST_PAUSE_S = 0.5
MAX_PAUSE_S = 10.0
STEADY_AFTER_S = 30.0
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class Part:
    """One child process and how often it had to be started."""

    name: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    due_s: float = field(default=0.0)

    def start(self) -> None:
        """Start it in a process group of its own, so that Ctrl-C reaches only `serve`."""
        command = [sys.executable, *self.arguments]
        self.process = subprocess.Popen(
            command,
            env=self.environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=partial(_drain_with, os.getpid()),
        )
        self.started_s = time.monotonic()

    def look(self, now_s: float) -> None:
        """Start it again if it has died and its pause is over."""
        if self.process is not None and self.process.poll() is None:
            return
        if self.process is not None:
            if now_s - self.started_s > STEADY_AFTER_S:
                self.pause_s = FIRST_PAUSE_S
            log.warning(
                "%s ended with status %s; it is started again in %g s", self.name, self.process.returncode, self.pause_s
            )
            self.process = None
            self.due_s = now_s + self.pause_s
            self.pause_s = min(self.pause_s * 2, MAX_PAUSE_S)
        if now_s >= self.due_s:
            self.start()


class Supervisor:
    """Runs the parts of one installation on this machine until told to stop."""

    def __init__(self, config: Config, say: Callable[[str], None]) -> None:
        self._config = config
        self._say = say
        self._stop = threading.Event()
        self._redis: EmbeddedRedis | None = None
        self._parts: list[Part] = []

    def run(self) -> int:
        """Serve; 0 after a clean stop, 1 when the start failed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        if problem := _why_not_listen(self._config.host, self._config.port):
            log.error("%s:%d cannot be listened on (%s); try --port", self._config.host, self._config.port, problem)
            return 1
        config = self._start_redis()
        try:
            self._prepare(config)
            self._parts = parts(config)
            for part in self._parts:
                part.start()
            if not self._wait_until_ready(config):
                return 1
            while not self._stop.wait(LOOK_EVERY_S):
                self._look()
            return 0
        finally:
            self._end_parts()
            if self._redis is not None:
                self._redis.stop()

    def _start_redis(self) -> Config:
        if self._config.redis_url is not None:
            return self._config
        self._redis = EmbeddedRedis(self._config.data_dir)
        self._redis.start()
        return self._config.with_redis(self._redis.url)

    def _prepare(self, config: Config) -> None:
        database = Database(config.database_url, pooled=False)
        database.upgrade()
        if not accounts.has_users(database):
            token = accounts.create_setup_token(database)
            self._say(f"first admin: http://{_shown(config.host)}:{config.port}/setup?token={token}")

    def _wait_until_ready(self, config: Config) -> bool:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline and not self._stop.is_set():
            self._look()
            if _accepts(config.host, config.port) and self._parts[0].process is not None:
                self._say(f"ready: http://{_shown(config.host)}:{config.port}")
                return True
            if self._parts[0].pause_s > 2:
                log.error("the web process does not start; see its words above")
                return False
            time.sleep(LOOK_EVERY_S / 4)
        return self._stop.is_set()

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._redis is not None and not self._redis.is_running():
            log.warning("the embedded Redis has ended; it is started again")
            self._redis.restart()
        for part in self._parts:
            part.look(now_s)

    def _end_parts(self) -> None:
        living = [part.process for part in self._parts if part.process is not None and part.process.poll() is None]
        for process in living:
            process.terminate()
        deadline = time.monotonic() + STOP_WITHIN_S
        for process in living:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.warning("process %d did not end in time", process.pid)
                process.kill()
                process.wait()


def parts(config: Config) -> list[Part]:
    """The processes of `serve`: the web process first."""
    environment = config.environment()
    python_parts: Sequence[tuple[str, tuple[str, ...]]] = [
        ("web", (str(ROOT / "web_app.py"),)),
        ("scheduler", (str(ROOT / "cli.py"), "scheduler")),
        *((f"worker {n}", (str(ROOT / "cli.py"), "worker", "--number", str(n))) for n in range(1, config.workers + 1)),
    ]
    return [Part(name, arguments, environment) for name, arguments in python_parts]


def _drain_with(serve: int) -> None:
    """In a new part: have the kernel send it SIGTERM when `serve` was killed and cannot do it."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != serve:
            os._exit(1)


def _why_not_listen(host: str, port: int) -> str | None:
    """The system's reason why nothing can listen there now, such as "Address already in use"; None when it can."""
    try:
        with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
            return None
    except OSError as error:
        return error.strerror or str(error)


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1" if host in ("", "0.0.0.0") else host, port), timeout=0.5):
            return True
    except OSError:
        return False


def _shown(host: str) -> str:
    return "127.0.0.1" if host in ("", "0.0.0.0", "::") else host
