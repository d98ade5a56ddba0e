"""Mail through a real server: asked for, confirmed, waited with, gathered, refused, and what never stands in it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

import doctor
from config import Config, ConfigError
from database import Database
from outbound.mail_address import CONFIRMATIONS_A_DAY, MailAddresses
from outbound.sending import Sender
from outbound.smtp import look
from tasks.errors import InvalidParams, NotFound, RateLimited, Unavailable
from tasks.notices import Notice
from tests.outbound.mail_server import PASSWORD, USER, MailServer
from tests.outbound.post import Post

pytestmark = pytest.mark.req("I2")

ADDRESS = "ada.l+tasks@example.org"
TYPES = ["finished", "failed", "alert"]


class MailOffice(Post):
    """An installation with a mail server."""

    def __init__(self, database: Database, config: Config, authority: Path) -> None:
        self.authority = authority
        super().__init__(database, config)
        self.addresses = MailAddresses(database, config)

    def make_sender(self) -> Sender:
        return Sender(self.database, self.config, lambda user_id, fields: self.told.append((user_id, fields)),
                      self.authority)  # fmt: skip

    def confirm(self, server: MailServer, address: str = ADDRESS) -> None:
        """Write my address down and open the link that comes."""
        self.addresses.keep(self.me.user_id, address, TYPES)
        self.turn()
        assert self.addresses.confirm(token_in(server.messages[-1], "confirm"))
        server.messages.clear()


@pytest.fixture
def office(
    database: Database, make_config: Callable[..., Config], sqlite_url: str, mail_server: MailServer,
    tls_files: tuple[Path, Path],
) -> MailOffice:  # fmt: skip
    url = f"smtp://{USER}:{quote(PASSWORD, safe='')}@localhost:{mail_server.port}"
    settings = {"SMTP_URL": url, "MAIL_FROM": "taskroom@example.org", "PUBLIC_URL": "https://tasks.example.org"}
    return MailOffice(database, make_config(DATABASE_URL=sqlite_url, **settings), tls_files[0])


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def token_in(message: EmailMessage, purpose: str) -> str:
    [link] = re.findall(rf"https://\S+/mail/{purpose}\?\S+", text_of(message))
    return str(parse_qs(urlsplit(link).query)["token"][0])


def test_an_address_counts_once_its_owner_opened_the_link(office: MailOffice, mail_server: MailServer) -> None:
    office.addresses.keep(office.me.user_id, ADDRESS, TYPES)
    office.turn()
    [message] = mail_server.messages
    assert (message["To"], message["From"]) == (ADDRESS, "Taskroom <taskroom@example.org>")
    assert mail_server.is_private == [True]
    assert "ada, asked Taskroom" in text_of(message)
    office.notify()
    office.pass_time(minutes=2)
    office.turn()
    assert len(mail_server.messages) == 1, "nothing is mailed to an address that nobody confirmed"
    token = token_in(message, "confirm")
    assert not office.addresses.confirm(token[1:])
    assert not office.addresses.unsubscribe(token), "a link is for one purpose"
    assert office.addresses.confirm(token)
    assert office.addresses.confirm(token), "opened twice, as mail programs do"
    found = office.addresses.of(office.me.user_id)
    assert found is not None
    assert found.confirmed_at is not None
    office.addresses.keep(office.me.user_id, "other@example.org", TYPES)
    assert not office.addresses.confirm(token), "the link was for another address"


def test_what_waits_a_minute_unread_is_mailed_together_and_what_was_read_is_not(
    office: MailOffice, mail_server: MailServer
) -> None:
    office.confirm(mail_server)
    office.notify()
    seen = office.notify(Notice("finished", "success", "Scan of seen completed"))
    office.notify(Notice("finished", "success", "Scan of b completed", href="/tasks/b"))
    office.notify(Notice("cancelled", "info", "A type that was not chosen"))
    office.turn()
    assert mail_server.messages == [], "who watches reads it on the page first"
    office.pass_time(seconds=61)
    office.notify(Notice("finished", "success", "Scan of c completed"))  # due in a minute, goes along
    office.read(seen)
    office.turn()
    [message] = mail_server.messages
    assert message["Subject"] == "3 notifications: 1 failed, 2 finished"
    text = text_of(message)
    assert "Scan of acme failed\nThe disk is full.\nhttps://tasks.example.org/tasks/x" in text
    assert "Scan of c completed" in text
    assert "seen" not in text
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert token_in(message, "unsubscribe") in message["List-Unsubscribe"]
    office.pass_time(minutes=5)
    office.turn()
    assert len(mail_server.messages) == 1
    assert sorted(each.state for each in office.all()) == ["delivered"] * 4 + ["dropped"]


def test_who_unsubscribes_gets_nothing_more(office: MailOffice, mail_server: MailServer) -> None:
    office.confirm(mail_server)
    office.notify()
    office.pass_time(minutes=2)
    office.turn()
    office.pass_time(minutes=2)
    office.turn()
    token = token_in(mail_server.messages.pop(), "unsubscribe")
    assert office.addresses.unsubscribe(token)
    office.notify()
    office.pass_time(minutes=2)
    office.turn()
    office.pass_time(minutes=2)
    office.turn()
    assert mail_server.messages == []
    office.addresses.remove(office.me.user_id)
    assert not office.addresses.unsubscribe(token)


def test_titles_become_no_headers_and_no_lines(office: MailOffice, mail_server: MailServer) -> None:
    office.confirm(mail_server)
    evil = "Done\r\nBcc: eve@example.org\r\n\r\nhello\0\x1b[31m " + "ü" * 250
    office.notify(Notice("failed", "error", evil, ".\r\n.\r\nQUIT\r\n\x00"))
    office.pass_time(seconds=61)
    office.turn()
    office.pass_time(seconds=61)
    office.turn()
    [message] = mail_server.messages
    assert message["Bcc"] is None
    assert message["Subject"].startswith("Done Bcc: eve@example.org hello")
    assert mail_server.envelopes[-1].rcpt_tos == [ADDRESS]


def test_a_refused_address_is_given_up_and_a_busy_server_tried_again(
    office: MailOffice, mail_server: MailServer
) -> None:
    office.confirm(mail_server)
    mail_server.refusal = "450 Try later"
    office.notify()
    office.turn()
    office.pass_time(seconds=61)
    office.turn()
    [waiting] = [each for each in office.all() if each.channel == "mail"]
    assert (waiting.state, waiting.attempt) == ("waiting", 1)
    mail_server.refusal = "550 No such mailbox"
    office.pass_time(seconds=61)
    office.turn()
    [given_up] = [each for each in office.all() if each.channel == "mail"]
    assert (given_up.state, given_up.attempt) == ("given_up", 2)
    assert [each.trouble for each in office.tries()][1:] == [
        "The mail server refused the address (450).", "The mail server refused the address (550).",
    ]  # fmt: skip


@pytest.mark.req("D13")
def test_a_wrong_password_a_foreign_certificate_and_no_starttls_are_said_without_the_password(
    office: MailOffice, mail_server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    mail = office.config.mail
    assert mail
    broken = [
        (replace(mail, password="wrong-pass-77"), office.authority, "refused this server's login"),
        (mail, None, "certificate"),
        (replace(mail, port=1), office.authority, "could not be reached"),
    ]
    with caplog.at_level(logging.DEBUG):
        for settings, authority, words in broken:
            config = replace(office.config, mail=settings)
            sender = Sender(office.database, config, lambda *_: None, authority)
            MailAddresses(office.database, config).keep(office.me.user_id, f"a{words[:3]}@example.org", TYPES)
            office.turn(sender)
            assert words in (office.tries()[-1].trouble or "")
            office.addresses.remove(office.me.user_id)
            office.pass_time(days=2)
            office.turn(sender)
    said = caplog.text + repr(office.config) + repr([vars(each) for each in office.tries()])
    assert "wrong-pass-77" not in said
    assert PASSWORD not in said
    assert mail_server.messages == []


@pytest.mark.parametrize(
    "address",
    ["", "ada", "@example.org", "ada@", "a b@example.org", "ada@example.org\r\nBcc: eve@example.org", "a@b@c.org",
     "ada@exa mple.org", "<ada@example.org>", "ada@-a.org", "ada,eve@example.org", "a" * 65 + "@example.org",
     "ada@" + "a." * 130 + "org", "..@example.org", "ädä@example.org"],
)  # fmt: skip
def test_what_is_no_address_is_refused(office: MailOffice, address: str) -> None:
    with pytest.raises(InvalidParams):
        office.addresses.keep(office.me.user_id, address, TYPES)


def test_nobodys_mailbox_is_filled_with_confirmations(office: MailOffice) -> None:
    for number in range(CONFIRMATIONS_A_DAY):
        office.addresses.keep(office.me.user_id, f"victim{number}@example.org", TYPES)
    with pytest.raises(RateLimited):
        office.addresses.keep(office.me.user_id, "victim@example.org", TYPES)
    with pytest.raises(RateLimited):
        office.addresses.ask_again(office.me.user_id)
    office.addresses.remove(office.me.user_id)
    with pytest.raises(NotFound):
        office.addresses.ask_again(office.me.user_id)


def test_without_a_mail_server_nothing_is_asked_or_routed(office: MailOffice, mail_server: MailServer) -> None:
    office.confirm(mail_server)
    config = replace(office.config, mail=None)
    with pytest.raises(Unavailable):
        MailAddresses(office.database, config).keep(office.me.user_id, "x@example.org", TYPES)
    office.notify()
    office.turn(Sender(office.database, config, lambda *_: None))
    assert [each.channel for each in office.all()] == ["confirm"]


@pytest.mark.req("D13")
@pytest.mark.parametrize(
    ("settings", "names"),
    [({"SMTP_URL": "smtp://u:s3cret-word@h:99999"}, "SMTP_URL"), ({"SMTP_URL": "http://u:s3cret-word@h"}, "SMTP_URL"),
     ({"SMTP_URL": "smtp://h", "SMTP_HOST": "h"}, "SMTP_URL"), ({"SMTP_HOST": "h"}, "MAIL_FROM"),
     ({"SMTP_HOST": "h", "MAIL_FROM": "a@b.c"}, "PUBLIC_URL"),
     ({"SMTP_HOST": "h", "MAIL_FROM": "a\r\nb@c", "PUBLIC_URL": "https://t.org"}, "MAIL_FROM"),
     ({"SMTP_HOST": "h", "SMTP_USER": "u"}, "SMTP_PASSWORD"),
     ({"SMTP_HOST": "h", "SMTP_USER": "u", "SMTP_PASSWORD": "s3cret-word-é"}, "SMTP_PASSWORD"),
     ({"PUBLIC_URL": "https://t.org/path"}, "PUBLIC_URL"),
     ({"WEBHOOK_ALLOWED_HOSTS": "*"}, "WEBHOOK_ALLOWED_HOSTS")],
)  # fmt: skip
def test_settings_that_cannot_work_stop_the_start_without_the_password(
    make_config: Callable[..., Config], settings: dict[str, str], names: str
) -> None:
    with pytest.raises(ConfigError, match=f"^{names}: ") as refused:
        make_config(**settings)
    assert "s3cret-word" not in str(refused.value)


def test_settings_in_parts_and_as_an_address_say_the_same(make_config: Callable[..., Config]) -> None:
    rest = {"MAIL_FROM": "a@b.c", "PUBLIC_URL": "https://t.org"}
    parts = {"SMTP_HOST": "mail.example.org", "SMTP_PORT": "2525", "SMTP_USER": "u", "SMTP_PASSWORD": "p@ss"}
    one = make_config(**rest, **parts).mail
    other = make_config(**rest, SMTP_URL="smtp://u:p%40ss@mail.example.org:2525").mail
    assert one == other
    assert one is not None
    assert "p@ss" not in repr(one)
    tls = make_config(**rest, SMTP_URL="smtps://mail.example.org").mail
    assert tls is not None
    assert (tls.port, tls.security) == (465, "tls")


def test_the_doctor_signs_in_at_the_mail_server(
    office: MailOffice, mail_server: MailServer, monkeypatch: pytest.MonkeyPatch, tls_files: tuple[Path, Path]
) -> None:
    mail = office.config.mail
    assert mail is not None
    assert look(mail, tls_files[0]).is_delivered
    assert mail_server.messages == []
    findings = dict(doctor.LOOKS)["mail"]
    refused = findings(office.config)
    assert (refused.state, "certificate" in refused.found) == ("fail", True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tls_files[0]))
    assert findings(office.config).state == "ok"
    wrong = findings(replace(office.config, mail=replace(mail, password="wrong-pass-77")))
    assert (wrong.state, "wrong-pass-77" in repr(wrong)) == ("fail", False)
    assert "not set up" in findings(replace(office.config, mail=None)).found
