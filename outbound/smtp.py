"""Hands one message to the mail server of this installation. The server's password is in nothing that is said."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from config import Mail
from outbound.posting import Outcome

TIMEOUT_S = 15.0
FIRST_PERMANENT = 500


def send(mail: Mail, message: EmailMessage, authority: Path | None = None) -> Outcome:
    """Send once, and say what came of it: a status is SMTP's. `authority` is there for tests with a server here."""
    return _visit(mail, authority, lambda server: server.send_message(message))


def look(mail: Mail, authority: Path | None = None) -> Outcome:
    """Connect, sign in and leave again: whether mail could be sent."""
    return _visit(mail, authority, lambda server: server.noop())


def _visit(mail: Mail, authority: Path | None, act: Callable[[smtplib.SMTP], object]) -> Outcome:
    began_s = time.monotonic()
    try:
        with _connected(mail, authority) as server:
            if mail.user and mail.password:
                server.login(mail.user, mail.password)
            act(server)
        return Outcome(250, _since(began_s))
    except smtplib.SMTPAuthenticationError as error:
        return Outcome(error.smtp_code, _since(began_s), "The mail server refused this server's login.")
    except smtplib.SMTPRecipientsRefused as error:
        status = max((code for code, _ in error.recipients.values()), default=None)
        return Outcome(status, _since(began_s), f"The mail server refused the address ({status}).")
    except smtplib.SMTPResponseException as error:
        return Outcome(error.smtp_code, _since(began_s), f"The mail server answered {error.smtp_code}.")
    except smtplib.SMTPNotSupportedError:
        return Outcome(None, _since(began_s), "The mail server lacks STARTTLS or a login that this server knows.")
    except ssl.SSLError:
        return Outcome(None, _since(began_s), "The mail server's certificate is not trusted by this server.")
    except TimeoutError:
        return Outcome(None, _since(began_s), "The mail server took too long.")
    except (OSError, smtplib.SMTPException):
        return Outcome(None, _since(began_s), "The mail server could not be reached, or it hung up.")


def is_permanent(outcome: Outcome) -> bool:
    """Whether another try would be answered the same; a refused login is this server's trouble, and may be mended."""
    return outcome.status is not None and outcome.status >= FIRST_PERMANENT and outcome.status not in (530, 534, 535)


def _connected(mail: Mail, authority: Path | None) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=TIMEOUT_S, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=TIMEOUT_S)
    if mail.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _since(began_s: float) -> int:
    return round((time.monotonic() - began_s) * 1000)
