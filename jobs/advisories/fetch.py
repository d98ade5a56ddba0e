"""Fetches an archive over https from a host that the operator allowed, into a file, within bounds.

The rules are those of git addresses: every IP address of the host is looked up and judged first, and the connection
goes to one of exactly these; the certificate has to be the host's. Redirects are not followed, no proxy is asked.
"""

from __future__ import annotations

import hashlib
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ip_addresses import IPAddress, is_public
from jobs.repository.git_address import GitAddress, resolve

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

MAX_BYTES = 4_000_000_000
CONNECT_S = 10.0
SILENCE_S = 30.0
TOTAL_S = 3600.0
POLL_S = 0.2
BLOCK = 1 << 18
MAX_ADDRESSES = 4


class FetchFailed(Exception):
    """The archive cannot be fetched, and trying again would not help. The message is for people."""


class FetchInterrupted(Exception):
    """The archive could not be fetched this time."""


class _NotReached(FetchInterrupted):
    """Nothing answers at this IP address; another of the host's may."""


@dataclass(frozen=True, slots=True)
class Tags:
    """What a server says to tell versions apart; both may be missing."""

    etag: str | None = None
    last_modified: str | None = None

    @property
    def moment(self) -> datetime | None:
        """Last-Modified as a time."""
        try:
            moment = parsedate_to_datetime(self.last_modified or "")
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, TypeError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class Fetched:
    """What was fetched: its tags and its digest, as archive.digest_of gives it."""

    tags: Tags
    digest: str


@dataclass(slots=True)
class _Progress:
    done: int = 0
    total: int | None = None
    is_stopped: bool = False


def fetch(
    address: GitAddress,
    file: Path,
    on_progress: Callable[[int, int | None], None],
    known: Tags = Tags(),
    *,
    max_bytes: int = MAX_BYTES,
    is_allowed: Callable[[IPAddress], bool] = is_public,
    authority: Path | None = None,
) -> Fetched | None:
    """Write what the address holds to `file`; None when it is still what `known` describes.

    `on_progress(bytes, all bytes or None)` is called several times a second, also while the server is silent; what it
    raises ends the fetch. `is_allowed` and `authority` (a certificate file) are there for tests with a server on this
    machine. Raises AddressRefused, FetchFailed, FetchInterrupted.
    """
    try:
        addresses = resolve(address, is_allowed)
    except OSError as error:
        raise FetchInterrupted(f"The name {address.host} cannot be resolved now. Check the address.") from error
    progress = _Progress()
    answer: list[Fetched | None] = []
    trouble: list[Exception] = []

    def work() -> None:
        for ip in addresses[:MAX_ADDRESSES]:
            trouble.clear()
            try:
                answer.append(_receive(address, ip, file, progress, known, max_bytes, authority))
            except Exception as error:
                trouble.append(error)
            if not (trouble and isinstance(trouble[0], _NotReached)):
                return

    # The reading waits for the server for up to SILENCE_S; whoever cancels must not.
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(POLL_S)
            on_progress(progress.done, progress.total)
    finally:
        progress.is_stopped = True
    if trouble:
        raise trouble[0]
    return answer[0]


def _receive(
    address: GitAddress,
    ip: IPAddress,
    file: Path,
    progress: _Progress,
    known: Tags,
    max_bytes: int,
    authority: Path | None,
) -> Fetched | None:
    import urllib3  # Here, because every process imports the jobs and few fetch.
    from urllib3.exceptions import ConnectTimeoutError, HTTPError, SSLError

    headers = {"Host": address.url.split("/")[2], "User-Agent": "taskroom", "Accept-Encoding": "identity"}
    headers |= {"If-None-Match": known.etag} if known.etag else {}
    headers |= {"If-Modified-Since": known.last_modified} if known.last_modified else {}
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    pool = urllib3.HTTPSConnectionPool(
        str(ip),
        address.port,
        ssl_context=context,
        server_hostname=address.host,
        assert_hostname=address.host,
        timeout=urllib3.Timeout(connect=CONNECT_S, read=SILENCE_S),
        retries=False,
        maxsize=1,
    )
    try:
        with (
            pool,
            pool.request("GET", address.path, headers=headers, redirect=False, preload_content=False) as response,
        ):
            if response.status == 304:
                return None
            _check_status(response.status)
            return _store(response, file, progress, max_bytes)
    except SSLError as error:
        raise FetchFailed("The server's certificate is not trusted by this worker.") from error
    except ConnectTimeoutError as error:  # Also when the connection was refused.
        raise _NotReached("The server could not be reached.") from error
    except (HTTPError, TimeoutError) as error:
        raise FetchInterrupted("The server could not be reached, or it hung up.") from error


def _check_status(status: int) -> None:
    if status in (301, 302, 303, 307, 308):
        raise FetchFailed("The server sends this address elsewhere, which is not followed. Give the final address.")
    if status in (401, 403, 404, 410):
        raise FetchFailed(f"The server has no such public file (it answers {status}). Check the address.")
    if status != 200:
        raise FetchInterrupted(f"The server answers {status} instead of the file.")


def _store(response: BaseHTTPResponse, file: Path, progress: _Progress, max_bytes: int) -> Fetched:
    length = response.headers.get("Content-Length", "")
    progress.total = int(length) if length.isascii() and length.isdigit() else None
    too_large = FetchFailed(f"The file is larger than the {max_bytes / 1e9:.1f} GB that are taken.")
    if (progress.total or 0) > max_bytes:
        raise too_large
    digest = hashlib.blake2b(digest_size=32)
    ends_at = time.monotonic() + TOTAL_S
    with file.open("wb") as output:
        for block in response.stream(BLOCK, decode_content=False):
            digest.update(block)
            output.write(block)
            progress.done += len(block)
            if progress.done > max_bytes:
                raise too_large
            if progress.is_stopped or time.monotonic() > ends_at:
                raise FetchInterrupted("The server took too long to answer.")
    if progress.total is not None and progress.done != progress.total:
        raise FetchInterrupted("The server hung up before the file was whole.")
    said = response.headers
    return Fetched(Tags(_short(said.get("ETag")), _short(said.get("Last-Modified"))), digest.hexdigest())


def _short(value: str | None) -> str | None:
    return value if value and len(value) <= 200 and value.isascii() and value.isprintable() else None
