"""A real SMTP server on this machine, with STARTTLS and a login, that keeps what it was given."""

from __future__ import annotations

import email
import email.policy
import ssl
import warnings
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.fixtures.machine import free_port

USER, PASSWORD = "taskroom", "pa/ss w+rd:@1%"


class MailServer:
    """`refusal` is answered to every recipient instead of taking the mail."""

    def __init__(self, files: tuple[Path, Path]) -> None:
        self.refusal = ""
        self.messages: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.is_private: list[bool] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        self.port = free_port()
        self._controller = Controller(
            self,
            hostname="localhost",
            port=self.port,
            tls_context=context,
            require_starttls=True,
            authenticator=_check,
            auth_required=True,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._controller.start()

    def stop(self) -> None:
        self._controller.stop(no_assert=True)

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.refusal:
            return self.refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        content: Any = envelope.content
        self.envelopes.append(envelope)
        self.is_private.append(session.ssl is not None)
        self.messages.append(email.message_from_bytes(content, EmailMessage, policy=email.policy.default))
        return "250 Message accepted"


def _check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    is_right = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right, handled=False)
