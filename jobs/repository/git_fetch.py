"""Fetches one commit of a repository over https; neither the repository nor its server gets to run or reach a thing.

Git gets an empty environment and no configuration but ours: https only, no redirect, no prompt, no submodule, no hook,
no filter, connections only to the addresses that were checked. Links become plain files. It is killed when it
stalls, when it grows over the limit, when the scan is cancelled, and when the scan's process dies.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from ip_addresses import IPAddress, is_public
from jobs.repository.git_address import GitAddress, resolve

LEASH = Path(__file__).with_name("leash.py")
MAX_REPOSITORY_BYTES = 2 * 2**30
MAX_REPOSITORY_FILES = 500_000
FETCH_TIMEOUT_S = 1_200.0
STALL_S = 60.0
POLL_S = 0.1
SIZE_POLL_S = 1.0
MIN_GIT = (2, 38)
_PROGRESS = re.compile(rb"(?:remote: )?([A-Z][A-Za-z ]+): +(\d+)% \((\d+)/(\d+)\)")
_PASSING = re.compile(
    r"(?i)timed? ?out|connection (?:reset|refused)|couldn't connect|failed to connect|early eof|hung up|rpc failed|"
    r"gnutls_handshake|ssl_error_syscall|http (?:5\d\d|429)|error: (?:5\d\d|429)|unexpected disconnect|transfer closed"
)
_NOT_FOUND = re.compile(
    r"(?i)not found|could not read username|authentication failed|http (?:401|403|404)|error: 40[134]"
)
_NO_REF = re.compile(r"(?i)couldn't find remote ref|not our ref|no such remote ref|unadvertised object")
_REDIRECT = re.compile(r"(?i)redirect|error: 30\d|HTTP 30\d")


class FetchFailed(Exception):
    """The repository cannot be fetched, and trying again would not help. The message is for people."""


class FetchInterrupted(Exception):
    """The repository could not be fetched this time."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What git is doing: its own words, and how far it is."""

    step: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be fetched, and how long that may take."""

    max_bytes: int = MAX_REPOSITORY_BYTES
    max_files: int = MAX_REPOSITORY_FILES
    timeout_s: float = FETCH_TIMEOUT_S


def fetch(
    address: GitAddress,
    ref: str | None,
    folder: Path,
    on_progress: Callable[[Progress | None], None],
    limits: Limits = Limits(),
    *,
    is_allowed: Callable[[IPAddress], bool] = is_public,
    authority: Path | None = None,
) -> str:
    """Check out `ref` (None: the default branch) below `folder`, an empty one, and return the commit.

    `on_progress` is called several times a second, with None when git said nothing new; what it raises stops git.
    `is_allowed` and `authority` (a certificate file) are there for tests with a server on this machine.
    Raises AddressRefused, FetchFailed, FetchInterrupted.
    """
    try:
        addresses = resolve(address, is_allowed)
    except OSError as error:
        raise FetchInterrupted(f"The name {address.host} cannot be resolved now. Check the address.") from error
    git = _Git(folder, _settings(address, addresses, authority), on_progress, limits)
    git.run("init", "--quiet", "--initial-branch=fetched", "--template=", ".")
    git.run(
        "fetch", "--progress", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head",
        "--no-auto-maintenance", "--", address.url, f"{ref or 'HEAD'}:refs/taskroom/fetched",
    )  # fmt: skip
    commit = git.run("rev-parse", "--verify", "refs/taskroom/fetched^{commit}").decode().strip()
    _check_size(git.run("ls-tree", "-r", "-l", "-z", "--full-tree", commit), limits)
    git.run("checkout", "--progress", "--force", "--quiet", "--detach", commit, "--")
    return commit


def _settings(address: GitAddress, addresses: Sequence[IPAddress], authority: Path | None) -> list[str]:
    pinned = ",".join(f"[{each}]" if each.version == 6 else str(each) for each in addresses)
    settings = [
        "core.fsmonitor=false", "core.hooksPath=/dev/null", "core.symlinks=false", "core.protectHFS=true",
        "core.protectNTFS=true", "core.autocrlf=false", "core.attributesFile=/dev/null", "core.askPass=",
        "credential.helper=", "protocol.allow=never", "protocol.https.allow=always", "http.followRedirects=false",
        "http.proxy=", "http.lowSpeedLimit=500", "http.lowSpeedTime=30", "submodule.recurse=false", "gc.auto=0",
        "fetch.fsckObjects=false", "advice.detachedHead=false",
        f"http.curloptResolve={address.host}:{address.port}:{pinned}",
    ]  # fmt: skip
    return settings + ([f"http.sslCAInfo={authority}"] if authority else [])


def _check_size(listing: bytes, limits: Limits) -> None:
    """Refuse a tree that would not fit before any of it is written out."""
    entries = listing.split(b"\0")
    sizes = [entry.partition(b"\t")[0].split()[-1] for entry in entries if entry]
    if len(sizes) > limits.max_files:
        raise FetchFailed(
            f"The repository has {len(sizes):,} files, more than the {limits.max_files:,} that are taken."
        )
    total = sum(int(size) for size in sizes if size.isdigit())
    if total > limits.max_bytes:
        raise FetchFailed(_too_large(limits))


def _too_large(limits: Limits) -> str:
    return (
        f"The repository is larger than the {limits.max_bytes / 1e9:.1f} GB that are taken. Scan a part of it locally."
    )


class _Git:
    """Runs git commands in one folder, one after the other."""

    def __init__(
        self, folder: Path, settings: list[str], on_progress: Callable[[Progress | None], None], limits: Limits
    ) -> None:
        program = shutil.which("git", path=os.defpath) or shutil.which("git")
        if program is None:
            raise FetchFailed("Git is not installed on this worker. Ask an admin to install git 2.38 or newer.")
        self._folder = folder
        self._program = program
        self._settings = [word for setting in settings for word in ("-c", setting)]
        self._on_progress = on_progress
        self._limits = limits
        self._ends_at = time.monotonic() + limits.timeout_s
        version = re.search(rb"(\d+)\.(\d+)", self.run("version"))
        if version is None or (int(version[1]), int(version[2])) < MIN_GIT:
            raise FetchFailed("Git on this worker is too old. Ask an admin to install git 2.38 or newer.")

    def run(self, *arguments: str) -> bytes:
        """The output of a git command. Raises FetchFailed or FetchInterrupted with what git said."""
        # The first lines of each stream go to files, so that no pipe can fill up and stop git or us.
        said_path, output_path = self._folder.with_suffix(".said"), self._folder.with_suffix(".output")
        with said_path.open("w+b") as said, output_path.open("w+b") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", str(LEASH), str(os.getpid()), self._program, *self._settings, *arguments],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=said,
                env=self._environment(),
            )
            try:
                self._watch(process, said)
            finally:
                _kill_tree(process)
            if process.returncode != 0:
                said.seek(0)
                raise _failure(said.read(1_000_000).decode("utf-8", "replace"))
            output.seek(0)
            return output.read()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ALLOW_PROTOCOL": "https",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_CEILING_DIRECTORIES": str(self._folder.parent),
            "GIT_LFS_SKIP_SMUDGE": "1",
        }

    def _watch(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        """Wait for the end, telling progress, and raise when git stalls, grows too large or takes too long."""
        read_to, heard_at, sized_at = 0, time.monotonic(), time.monotonic()
        while True:
            try:
                process.wait(POLL_S)
                return
            except subprocess.TimeoutExpired:
                pass
            now = time.monotonic()
            size = os.fstat(said.fileno()).st_size
            if size > read_to:
                news = os.pread(said.fileno(), 4096, max(read_to, size - 4096))
                read_to, heard_at = size, now
                self._on_progress(_progress(news))
            else:
                self._on_progress(None)
            if now - sized_at > SIZE_POLL_S:
                sized_at = now
                if _folder_size(self._folder) > self._limits.max_bytes or size > 50_000_000:
                    raise FetchFailed(_too_large(self._limits))
            if now > self._ends_at or now - heard_at > max(STALL_S, self._limits.timeout_s / 4):
                raise FetchInterrupted("The git server took too long to answer.")


def _progress(said: bytes) -> Progress | None:
    """The newest line of progress in what git said."""
    lines = _PROGRESS.findall(said)
    if not lines:
        return None
    step, _, done, total = lines[-1]
    return Progress(step.decode().strip(), int(done), int(total))


def _failure(said: str) -> Exception:
    """What git's words mean, for people; git's own words are never shown, they may hold a path."""
    if _NO_REF.search(said):
        return FetchFailed("The repository has no such branch, tag or commit. Check its spelling.")
    if _REDIRECT.search(said):
        return FetchFailed("The server sends this address elsewhere, which is not followed. Give the final address.")
    if _NOT_FOUND.search(said):
        return FetchFailed("The server has no such public repository. Check the address.")
    if "No space left" in said:
        return FetchInterrupted("The disk of this worker is full. Free some space.")
    if _PASSING.search(said):
        return FetchInterrupted("The git server could not be reached, or it hung up.")
    if "certificate" in said.lower():
        return FetchFailed("The server's certificate is not trusted by this worker.")
    return FetchInterrupted("Git could not fetch the repository.")


def _folder_size(folder: Path) -> int:
    """Bytes below a folder that changes meanwhile."""
    total, pending = 0, [str(folder)]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


def _kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill git and the helpers it started."""
    if process.poll() is not None:
        return
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        family = []
    process.send_signal(signal.SIGKILL)
    for each in family:
        try:
            each.kill()
        except psutil.Error:
            continue
    process.wait()
