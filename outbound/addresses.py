"""Which addresses a webhook may have: https on a public host, unless the operator allowed more for one host.

What is written is judged here, when it is written; where its host leads is judged at every try (`posting`).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ip_addresses import HOST_NAME, IPAddress, ip_literal, is_public
from tasks.errors import InvalidParams

PORTS = (443, 8443)
MAX_URL = 2000
_NEVER = tuple(ipaddress.ip_network(each) for each in ("169.254.0.0/16", "fe80::/10", "168.63.129.16/32"))
_ALLOWED = "or ask an admin to add the host to WEBHOOK_ALLOWED_HOSTS."


@dataclass(frozen=True, slots=True)
class Target:
    """A checked address. `is_trusted`: the operator has named this host, so it may also be a private one."""

    is_tls: bool
    host: str
    port: int
    path: str
    is_trusted: bool

    @property
    def authority(self) -> str:
        """Host and port as they stand in an address and in the header Host."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    def may_connect(self, address: IPAddress) -> bool:
        """Whether a try may go to this address of the host; to metadata and link-local ones it never may."""
        if is_public(address):
            return True
        inner = (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
        is_odd = inner.is_multicast or inner.is_unspecified or (inner.is_reserved and not inner.is_loopback)
        is_never = any(inner.version == each.version and inner in each for each in _NEVER)
        return self.is_trusted and not is_odd and not is_never


def parse_target(text: str, allowed: Sequence[str]) -> Target:
    """The parts of a webhook's address. Nothing is looked up. Raises InvalidParams with a sentence for `url`."""
    if len(text) > MAX_URL or any(ord(each) <= 32 or ord(each) >= 127 for each in text) or "\\" in text:
        raise _refused("This address holds characters that an address cannot have. Copy it again, without spaces.")
    try:
        parts = urlsplit(text)
        host = (parts.hostname or "").rstrip(".")
        port = parts.port if parts.port is not None else {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        raise _refused("This is not a web address. Give one like https://hooks.example.org/taskroom") from None
    if parts.scheme not in ("http", "https"):
        raise _refused("Only addresses that begin with https:// are posted to.")
    if "@" in parts.netloc:
        raise _refused("An address with a user name or password is not taken: check the signature instead.")
    literal = ip_literal(host)
    if not host or (literal is None and not HOST_NAME.fullmatch(host)):
        raise _refused("The host of this address is not a host name. Copy the address again.")
    is_tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(is_tls, host, port, path, any(_allows(entry, is_tls, host, port) for entry in allowed))
    if not target.is_trusted and not is_tls:
        raise _refused(f"Only addresses that begin with https:// are posted to. Give that, {_ALLOWED}")
    if not target.is_trusted and port not in PORTS:
        raise _refused(f"Port {port} is not one that is posted to (443 and 8443 are). Use one of these, {_ALLOWED}")
    if literal is not None and not target.may_connect(literal):
        raise _refused(f"{host} is a private address that this server may not post to. Give a public one, {_ALLOWED}")
    return target


def _allows(entry: str, is_tls: bool, host: str, port: int) -> bool:
    """An entry is a host or host:port, for https; with http:// before it for both."""
    scheme, _, rest = entry.rpartition("://")
    parts = urlsplit(f"//{rest}")
    default = 80 if scheme == "http" and not is_tls else 443
    return host == parts.hostname and port == (parts.port or default) and (is_tls or scheme == "http")


def _refused(message: str) -> InvalidParams:
    return InvalidParams({"url": message})
