"""The mails: what stands in them, and the links by which their reader decides. Nothing of a title becomes a header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any

from itsdangerous import BadSignature, URLSafeTimedSerializer

from config import Config, Mail
from database import utc_now
from outbound.models import MailAddress
from tasks.events import printable

CONFIRM, UNSUBSCRIBE = "confirm", "unsubscribe"
LASTS_S = {CONFIRM: 86_400, UNSUBSCRIBE: 366 * 86_400}
SHOWN = 30
MAX_SUBJECT = 150
SAID = {
    "finished": "finished", "failed": "failed", "cancelled": "cancelled", "needs_review": "to review",
    "alert": "alerts", "test": "tests",
}  # fmt: skip


def link(config: Config, purpose: str, mail: MailAddress) -> str:
    """A link by which who has this mailbox says yes, or no more. It ends with its time, or with the address."""
    token = _signer(config, purpose).dumps([mail.user_id, mail.nonce])
    return f"{config.own_url}/mail/{purpose}?token={token}"


def read_token(config: Config, purpose: str, token: str) -> tuple[int, str] | None:
    """The person and the nonce that a link names, if we made it and it has not ended."""
    try:
        user_id, nonce = _signer(config, purpose).loads(token[:500], max_age=LASTS_S[purpose])
    except (BadSignature, ValueError, TypeError):
        return None
    return (user_id, nonce) if isinstance(user_id, int) and isinstance(nonce, str) else None


def confirmation(config: Config, mail: MailAddress, username: str) -> EmailMessage:
    """The mail that asks whether this address is the person's."""
    message = _message(config, mail, "Confirm your address for Taskroom")
    message.set_content(
        f"Somebody, {one_line(username)}, asked Taskroom at {config.own_url} to send notifications to this address.\n\n"
        f"If that was you, open this link within a day:\n\n{link(config, CONFIRM, mail)}\n\n"
        "If not, do nothing: no further mail comes.\n"
    )
    return message


def notifications(config: Config, mail: MailAddress, contents: Sequence[tuple[str, dict[str, Any]]]) -> EmailMessage:
    """One mail that tells all of these `(type, content)`, the oldest first."""
    message = _message(config, mail, _subject(contents))
    unsubscribe = link(config, UNSUBSCRIBE, mail)
    message["List-Unsubscribe"] = f"<{unsubscribe}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    parts = [_paragraph(content) for _, content in contents[:SHOWN]]
    if len(contents) > SHOWN:
        parts.append(f"And {len(contents) - SHOWN} more: {config.own_url}/notifications")
    foot = f"-- \nWhat you are mailed: {config.own_url}/account/webhooks\nNo more mail: {unsubscribe}\n"
    message.set_content("\n\n".join(parts) + f"\n\n{foot}")
    return message


def one_line(text: str) -> str:
    """Text without line ends and other control characters."""
    return " ".join(printable(text, " ").split())


def _subject(contents: Sequence[tuple[str, dict[str, Any]]]) -> str:
    if len(contents) == 1:
        return str(contents[0][1]["notification"]["title"])
    counted = Counter(SAID.get(type_, type_) for type_, _ in contents)
    return f"{len(contents)} notifications: " + ", ".join(f"{number} {word}" for word, number in counted.items())


def _paragraph(content: dict[str, Any]) -> str:
    told = content["notification"]
    text = "\n".join(printable(line) for line in str(told["text"])[:1000].splitlines())
    return "\n".join(part for part in (one_line(told["title"]), text, told["url"]) if part)


def _message(config: Config, mail: MailAddress, subject: str) -> EmailMessage:
    message = EmailMessage(SMTP)
    message["Subject"] = one_line(subject)[:MAX_SUBJECT]
    message["From"] = Address("Taskroom", addr_spec=_requires(config).sender)
    message["To"] = Address(addr_spec=mail.address)
    message["Date"] = format_datetime(utc_now())
    message["Auto-Submitted"] = "auto-generated"
    return message


def _requires(config: Config) -> Mail:
    if config.mail is None:
        raise RuntimeError("no mail server is set up")
    return config.mail


def _signer(config: Config, purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(config.secret_key, salt=f"taskroom mail {purpose}")
