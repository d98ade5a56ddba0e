"""Which IP addresses this server may be led to by an address that a person gave: public ones, whatever their spelling.

Whoever connects does so to an address that was judged here, never to the name again: a name that leads elsewhere a
moment later (rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
HOST_NAME = re.compile(r"(?=.{1,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
# Called global by the registries or by older Pythons, and yet the inside of somebody's network: protocol assignments
# (a cloud's metadata among them), the old 6to4 relays, documentation, and the address at which Azure serves its hosts.
_INSIDE = tuple(
    ipaddress.ip_network(each) for each in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20", "168.63.129.16/32")
)


class PrivateAddress(ValueError):
    """A host leads to an address that this server may not connect to. The message says which host."""


def ip_literal(host: str) -> IPAddress | None:
    """The IP address that `host` spells in any notation a resolver takes (dotted, short, decimal, octal, hex, IPv6)."""
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None


def is_public(address: IPAddress) -> bool:
    """Whether this is an ordinary address of the public internet, looked at through IPv6's wrappings of IPv4."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in _GLOBAL_UNICAST:
            return False
    if any(address.version == each.version and address in each for each in _INSIDE):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def resolve_host(host: str, port: int, is_allowed: Callable[[IPAddress], bool] = is_public) -> list[IPAddress]:
    """Every IP address of the host. Raises PrivateAddress unless all of them are allowed, OSError when unknown."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    resolved = list(dict.fromkeys(ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found))
    if not resolved or not all(is_allowed(each) for each in resolved):
        raise PrivateAddress(f"{host} leads to a private address.")
    return resolved
