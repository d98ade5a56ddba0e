"""Which git addresses may be fetched: https, on a host the operator allowed, resolving to public addresses only.

The addresses that were checked are handed to git as the only ones it may connect to, so that a name that resolves to
something else a moment later (rebinding) gains nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ip_addresses import HOST_NAME, IPAddress, PrivateAddress, ip_literal, is_public, resolve_host

_PATH = re.compile(r"/[A-Za-z0-9._~/+@%-]+")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@-]{0,199}")


class AddressRefused(ValueError):
    """This address may not be fetched. `field` is the parameter at fault; the message says what to do instead."""

    def __init__(self, message: str, field: str = "git_url") -> None:
        super().__init__(message)
        self.field = field


@dataclass(frozen=True, slots=True)
class GitAddress:
    """A checked address, written in one way."""

    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The address as git gets it."""
        return f"https://{self.host}{'' if self.port == 443 else f':{self.port}'}{self.path}"


def parse_address(text: str, allowed: Sequence[str], setting: str = "GIT_ALLOWED_HOSTS") -> GitAddress:
    """The parts of an https address on an allowed host. Nothing is looked up.

    An entry of `allowed`, which comes from `setting`, is a host, a host:port, or either with the beginning of a path.
    Raises AddressRefused.
    """
    if text.startswith("-") or any(ord(character) <= 32 or ord(character) == 127 for character in text):
        raise AddressRefused(
            "This address holds characters that an address cannot have. Copy it again, without spaces."
        )
    if not text.lower().startswith("https://") or "\\" in text:
        raise AddressRefused("Only addresses that begin with https:// may be fetched. Give the https address.")
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").rstrip("."), parts.port or 443
    except ValueError as error:
        raise AddressRefused("This is not a web address. Give one like https://git.example.org/acme/app.git") from error
    if "@" in parts.netloc:
        raise AddressRefused("An address with a user name or password is not taken. Leave them out.")
    if parts.query or parts.fragment or not _PATH.fullmatch(parts.path) or "/../" in f"{parts.path}/":
        raise AddressRefused("The path of this address holds what no plain path has. Copy the https address again.")
    literal = ip_literal(host)
    if literal is not None and not is_public(literal):
        raise AddressRefused(
            f"{host} is a private address that this server may not fetch from. "
            "Ask an admin to allow a host, or choose a folder on this server."
        )
    if literal is None and not HOST_NAME.fullmatch(host):
        raise AddressRefused("The host of this address is not a host name. Copy the address again.")
    address = GitAddress(host, port, parts.path.rstrip("/"))
    if not any(_allows(entry, address) for entry in allowed):
        names = ", ".join(allowed) or "none yet"
        raise AddressRefused(
            f"{host} is not a host that this server may fetch from (allowed: {names}). "
            f"Ask an admin to add it to {setting}."
        )
    return address


def _allows(entry: str, address: GitAddress) -> bool:
    authority, _, path = entry.lower().partition("/")
    host, _, port = authority.partition(":")
    prefix = "/" + path.strip("/") if path else ""
    in_path = not prefix or address.path.lower() == prefix or address.path.lower().startswith(prefix + "/")
    return host == address.host and str(address.port) == (port or "443") and in_path


def check_ref(ref: str | None) -> None:
    """Raise AddressRefused unless this can be the name of a branch, a tag or a commit."""
    if ref is None:
        return
    if not _REF.fullmatch(ref) or ".." in ref or "@{" in ref or "//" in ref or ref.endswith(("/", ".", ".lock")):
        raise AddressRefused("This is not the name of a branch, a tag or a commit. Check its spelling.", "ref")


def resolve(address: GitAddress, is_allowed: Callable[[IPAddress], bool] = is_public) -> list[IPAddress]:
    """Every IP address of the host. Raises AddressRefused unless all of them are allowed, OSError when unknown.

    `is_allowed` is there for tests that fetch from this machine; nothing else passes it.
    """
    try:
        return resolve_host(address.host, address.port, is_allowed)
    except PrivateAddress as error:
        raise AddressRefused(
            f"{address.host} leads to a private address that this server may not fetch from. "
            "Choose a public host, or a folder on this server."
        ) from error
