"""A webhook's secret and its signatures, in the form of Standard Webhooks 1.0 (https://www.standardwebhooks.com).

A secret is made of the installation's SECRET_KEY and the webhook's salt whenever it is needed: the database, its
backups and its readers hold none.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable

PREFIX = "whsec_"


def make_salt() -> str:
    """What tells one secret from all others."""
    return secrets.token_urlsafe(24)


def secret_of(secret_key: str, salt: str) -> str:
    """The secret as its owner sees it, once: `whsec_` and the base64 of 32 bytes."""
    key = hmac.digest(secret_key.encode(), b"taskroom webhook secret:" + salt.encode(), hashlib.sha256)
    return PREFIX + base64.b64encode(key).decode()


def signature(secret: str, message_id: str, timestamp_s: int, body: bytes) -> str:
    """`v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp_s).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def headers(secrets_now: Iterable[str], message_id: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """The three headers. While an old secret still counts, there is a signature by each, separated by a space."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(signature(each, message_id, timestamp_s, body) for each in secrets_now),
    }
