"""Pauses for guessers, counted in SQL before the password is looked at, so that all web processes share the count.

A try is counted first and forgiven when the password was right: of a thousand parallel guesses no more than the free
ones are looked at. Per user name 5 tries are free, per address 30; then each further one costs a pause of
1 min, 2 min, 4 min … up to 15 min. Where the user is signed in already, only name and address together count: a
stranger who guesses at a name does not lock out its owner, nor one office its colleagues.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from accounts.errors import TooManyTries
from accounts.models import LoginThrottle

FREE_TRIES_PER_NAME = 5
FREE_TRIES_PER_ADDRESS = 30
FIRST_PAUSE_S = 60
LONGEST_PAUSE_S = 900
FORGET_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Count:
    """Something that tries are counted for."""

    key: str
    free_tries: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left after this try, should it turn out wrong."""

    tries_left: int
    pause_s: int


def counts_for(folded_name: str, address: str, *, is_known_address: bool) -> list[Count]:
    """What one try to sign in is counted for, in the order in which the rows are locked."""
    if is_known_address:
        return [Count(_digest(f"known:{folded_name}@{address}"), FREE_TRIES_PER_NAME)]
    counts = [Count(_digest(f"user:{folded_name}"), FREE_TRIES_PER_NAME)]
    if address:
        counts.append(Count(_digest(f"address:{network(address)}"), FREE_TRIES_PER_ADDRESS))
    return sorted(counts, key=lambda count: count.key)


def take_try(session: Session, counts: list[Count], now: datetime) -> Allowance:
    """Count one try. Raises TooManyTries, counting nothing, while one of them is paused."""
    rows = [_locked_row(session, count, now) for count in counts]
    paused = [row.paused_until for row in rows if row.paused_until is not None and row.paused_until > now]
    if paused:
        raise _too_many(math.ceil((max(paused) - now).total_seconds()))
    left, pause_s = FREE_TRIES_PER_ADDRESS, 0
    for row, count in zip(rows, counts, strict=True):
        if now - row.last_try_at > FORGET_AFTER:
            row.tries = 0
        row.tries += 1
        row.last_try_at = now
        over = row.tries - count.free_tries
        own_pause_s = min(FIRST_PAUSE_S * 2 ** min(over, 10), LONGEST_PAUSE_S) if over >= 0 else 0
        row.paused_until = now + timedelta(seconds=own_pause_s) if own_pause_s else None
        left, pause_s = min(left, max(-over, 0)), max(pause_s, own_pause_s)
    return Allowance(left, pause_s)


def give_back(session: Session, counts: list[Count]) -> None:
    """Forgive after a right password: the name's tries whole, of the address's only this one.

    Otherwise a guesser with an account of their own could wipe their slate clean by signing in now and then.
    """
    for count in counts:
        if count.free_tries == FREE_TRIES_PER_NAME:
            session.execute(delete(LoginThrottle).where(LoginThrottle.key == count.key))
        elif row := session.get(LoginThrottle, count.key, with_for_update=True):
            row.tries = max(row.tries - 1, 0)
            row.paused_until = None


def paused_names(session: Session, folded_names: Iterable[str], now: datetime) -> dict[str, datetime]:
    """Until when signing in is paused for these names, where it is, after too many tries from unknown addresses."""
    keys = {_digest(f"user:{name}"): name for name in folded_names}
    paused = select(LoginThrottle.key, LoginThrottle.paused_until).where(
        LoginThrottle.key.in_(keys), LoginThrottle.paused_until > now
    )
    return {keys[key]: until for key, until in session.execute(paused) if until is not None}


def pause_words(seconds: int) -> str:
    """`42 s`, `1 min`, `2 min 5 s`."""
    minutes, rest = divmod(seconds, 60)
    if not minutes:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if rest else f"{minutes} min"


def _too_many(seconds: int) -> TooManyTries:
    return TooManyTries(f"Too many tries. You can go on in {pause_words(seconds)}.", retry_after_s=seconds)


def _locked_row(session: Session, count: Count, now: datetime) -> LoginThrottle:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    fresh = dialect.insert(LoginThrottle).values(key=count.key, tries=0, last_try_at=now)
    session.execute(fresh.on_conflict_do_nothing())
    return session.scalars(select(LoginThrottle).where(LoginThrottle.key == count.key).with_for_update()).one()


def network(address: str) -> str:
    """The part of an address that one guesser holds: all of IPv4, the /64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
