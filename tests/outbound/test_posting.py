"""One POST to a real receiver: what it gets, what it may do to us, and where nothing is sent at all."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from outbound import signing
from outbound.addresses import Target, parse_target
from outbound.posting import Outcome, post
from tasks.errors import InvalidParams
from tests.fixtures.machine import ROOT
from tests.outbound.receiver import Receiver

pytestmark = pytest.mark.req("I2")


def target(receiver: Receiver) -> Target:
    return parse_target(receiver.url, [f"http://{receiver.authority}"])


def posted(receiver: Receiver, total_s: float = 5.0) -> Outcome:
    return post(target(receiver), b'{"a":1}', {"webhook-id": "x"}, total_s=total_s)


def test_the_receiver_gets_the_body_and_its_answer_is_kept(receiver: Receiver) -> None:
    outcome = posted(receiver)
    assert (outcome.status, outcome.is_delivered, outcome.answer, outcome.trouble) == (200, True, "thank you", None)
    [got] = receiver.received
    assert (got.path, got.json) == ("/hook?key=hidden-in-the-path", {"a": 1})
    assert (got.headers["host"], got.headers["content-type"]) == (receiver.authority, "application/json")


@pytest.mark.parametrize(
    ("status", "behaviour", "words"),
    [(500, "", "answered 500"), (410, "", "nothing more"), (200, "hang", "too long"), (200, "drip", "too long"),
     (200, "reset", "hung up")],
)  # fmt: skip
def test_trouble_is_said_in_a_sentence_within_its_time(
    receiver: Receiver, status: int, behaviour: str, words: str
) -> None:
    receiver.status, receiver.behaviour = status, behaviour
    outcome = posted(receiver, total_s=0.4)
    assert not outcome.is_delivered
    assert outcome.trouble
    assert words in outcome.trouble
    assert outcome.trouble.endswith(".")


def test_a_redirect_to_this_machine_is_not_followed(receiver: Receiver, make_receiver: Callable[..., Receiver]) -> None:
    inside = make_receiver()
    receiver.status, receiver.headers = 302, {"Location": f"http://127.0.0.1:{inside.port}/"}
    outcome = posted(receiver)
    assert (outcome.status, outcome.is_delivered) == (302, False)
    assert "not followed" in (outcome.trouble or "")
    assert inside.received == []


@pytest.mark.parametrize("behaviour", ["endless", "silent_body"])
def test_of_an_endless_or_missing_answer_no_more_is_read_than_is_kept(receiver: Receiver, behaviour: str) -> None:
    receiver.behaviour = behaviour
    outcome = posted(receiver, total_s=0.5)
    assert (outcome.status, outcome.is_delivered) == (200, True)
    assert len(outcome.answer) in (0, 2048)


def test_what_a_receiver_asks_for_is_read(receiver: Receiver) -> None:
    receiver.status, receiver.headers = 503, {"Retry-After": "120"}
    assert posted(receiver).retry_after_s == 120
    receiver.headers = {"Retry-After": "soon"}
    assert posted(receiver).retry_after_s is None


def test_over_tls_the_certificate_has_to_be_the_hosts(
    make_receiver: Callable[..., Receiver], tls_files: tuple[Path, Path]
) -> None:
    receiver = make_receiver(tls=tls_files)
    sure = parse_target(receiver.url, [receiver.authority])
    assert post(sure, b"{}", {}, tls_files[0]).is_delivered
    refused = post(sure, b"{}", {})
    assert "certificate" in (refused.trouble or "")
    other = Target(True, "127.0.0.1", receiver.port, "/", True)
    assert "certificate" in (post(other, b"{}", {}, tls_files[0]).trouble or "")
    assert len(receiver.received) == 1


def test_where_nobody_listens_the_trouble_is_said() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    outcome = post(Target(False, "localhost", port, "/", True), b"{}", {})
    assert (outcome.status, outcome.trouble) == (None, "The receiver could not be reached.")
    unknown = post(Target(True, "no-such-host.invalid", 443, "/", False), b"{}", {})
    assert "cannot be resolved" in (unknown.trouble or "")


@pytest.mark.req("D11")
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "169.254.169.254", "100.100.100.200", "0.0.0.0", "::1", "::ffff:127.0.0.1",
     "64:ff9b::7f00:1", "64:ff9b:1::1", "fe80::1", "fd00:ec2::254", "fec0::1", "::", "2002:7f00:1::", "224.0.0.1",
     "168.63.129.16", "192.0.0.192"],
)  # fmt: skip
def test_a_name_that_leads_inside_gets_nothing(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """Also when another of its addresses is public."""
    lead(monkeypatch, "93.184.216.34", address)
    outcome = post(parse_target("https://hooks.example.org/x", []), b"{}", {})
    assert "private address" in (outcome.trouble or "")


@pytest.mark.req("D11")
@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "0.0.0.0", "::"])
def test_metadata_gets_nothing_from_an_allowed_host_either(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    lead(monkeypatch, address)
    outcome = post(parse_target("http://hooks.internal/x", ["http://hooks.internal"]), b"{}", {})
    assert "private address" in (outcome.trouble or "")


@pytest.mark.req("D11")
def test_the_connection_goes_to_the_address_that_was_judged(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name leads elsewhere a moment later (rebinding), and is not looked up again."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def once(host: str, port: int, *words: Any, **more: Any) -> Any:
        if host == "127.0.0.1":
            return real(host, port, *words, **more)
        asked.append(host)
        assert len(asked) == 1, "the name was looked up again"
        return real("127.0.0.1", port, *words, **more)

    monkeypatch.setattr("socket.getaddrinfo", once)
    named = Target(False, "hooks.internal", receiver.port, "/x", True)
    assert post(named, b"{}", {}).is_delivered
    assert receiver.received[0].headers["host"] == f"hooks.internal:{receiver.port}"


def lead(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    families = {4: socket.AF_INET, 6: socket.AF_INET6}
    found = [
        (families[ipaddress.ip_address(each).version], socket.SOCK_STREAM, 6, "", (each, 443)) for each in addresses
    ]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)


HOSTILE = [
    ("http://hooks.example.org/", "https"), ("ftp://hooks.example.org/", "https"), ("file:///etc/passwd", "https"),
    ("javascript:alert(1)", "https"), ("https://u:p@hooks.example.org/", "user name"), ("https:///x", "host"),
    ("https://hooks.example.org:22/", "Port 22"), ("https://hooks.example.org:6379/", "Port 6379"),
    ("https://hooks.example.org:0/", "Port 0"), ("https://hooks.example.org:99999/", "web address"),
    ("https://127.0.0.1/", "private"), ("https://127.1/", "private"), ("https://2130706433/", "private"),
    ("https://0x7f000001/", "private"), ("https://017700000001/", "private"), ("https://[::1]/", "private"),
    ("https://[::ffff:10.0.0.1]/", "private"), ("https://[64:ff9b::a9fe:a9fe]/", "private"),
    ("https://[fd00:ec2::254]/", "private"), ("https://169.254.169.254/latest", "private"),
    ("https://0.0.0.0/", "private"), ("https://100.64.0.1/", "private"), ("https://[fe80::1%25eth0]/", "private"),
    ("https://a b.example.org/", "characters"), ("https://a.example.org/\r\nX: y", "characters"),
    ("https://a.example.org\\@b/", "characters"), ("https://exämple.org/", "characters"),
    ("https://-a.example.org/", "host name"), ("https://a..example.org/", "host name"),
    ("https://[::1/", "web address"),
    ("https://" + "a" * 2000, "characters"), ("", "https"),
]  # fmt: skip


@pytest.mark.req("D11")
@pytest.mark.parametrize(("url", "words"), HOSTILE)
def test_hostile_addresses_are_refused_when_they_are_written(url: str, words: str) -> None:
    with pytest.raises(InvalidParams, match=words) as refused:
        parse_target(url, ["hooks.internal"])
    assert set(refused.value.problems) == {"url"}


@pytest.mark.parametrize(
    ("url", "entry", "is_taken"),
    [("https://10.0.0.5/x", "10.0.0.5", True), ("https://10.0.0.5:9000/x", "10.0.0.5", False),
     ("https://10.0.0.5:9000/x", "10.0.0.5:9000", True), ("http://10.0.0.5:9000/x", "10.0.0.5:9000", False),
     ("http://10.0.0.5:9000/x", "http://10.0.0.5:9000", True), ("http://10.0.0.5/x", "http://10.0.0.5", True),
     ("https://10.0.0.5/x", "http://10.0.0.5", True), ("https://10.0.0.6/x", "10.0.0.5", False),
     ("https://hooks.example.org:9000/", "hooks.example.org:9000", True),
     ("https://169.254.169.254/", "169.254.169.254", False), ("https://[::1]:9000/", "[::1]:9000", True)],
)  # fmt: skip
def test_an_operator_allows_a_host_with_its_port_and_without_tls_only_when_said(
    url: str, entry: str, is_taken: bool
) -> None:
    if is_taken:
        assert parse_target(url, ["other.example", entry]).is_trusted
    else:
        with pytest.raises(InvalidParams):
            parse_target(url, ["other.example", entry])


def test_signatures_are_those_of_the_specification() -> None:
    """Against the vector that its libraries are tested with, and against HMAC written out by hand."""
    secret, message_id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    body = b'{"test": 2432232314}'
    signed = signing.headers([secret], message_id, 1614265330, body)
    pad = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").ljust(64, b"\0")
    inner = hashlib.sha256(bytes(each ^ 0x36 for each in pad) + f"{message_id}.1614265330.".encode() + body).digest()
    outer = hashlib.sha256(bytes(each ^ 0x5C for each in pad) + inner).digest()
    assert "v1," + base64.b64encode(outer).decode() == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signed == {
        "webhook-id": message_id,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_secrets_differ_by_salt_and_installation_and_have_the_specified_form() -> None:
    made = signing.secret_of("k" * 32, "salt")
    assert made.startswith("whsec_")
    assert len(base64.b64decode(made.removeprefix("whsec_"))) == 32
    assert len({made, signing.secret_of("k" * 32, "other"), signing.secret_of("j" * 32, "salt")}) == 3
    both = signing.headers([made, signing.secret_of("k" * 32, "other")], "id", int(time.time()), b"{}")
    signatures = both["webhook-signature"].split(" ")
    assert [each[:3] for each in signatures] == ["v1,", "v1,"]
    key = base64.b64decode(made.removeprefix("whsec_"))
    expected = hmac.new(key, f"id.{both['webhook-timestamp']}.{{}}".encode(), "sha256").digest()
    assert signatures[0] == "v1," + base64.b64encode(expected).decode()


def test_the_example_in_the_documentation_takes_what_is_signed_and_nothing_else() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
    [example] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    secret, old = signing.secret_of("k" * 32, "new"), signing.secret_of("k" * 32, "old")
    headers = signing.headers([secret, old], "id", int(time.time()), b"{}")
    is_right = names["is_from_taskroom"]
    assert (is_right(secret, headers, b"{}"), is_right(old, headers, b"{}"), is_right(secret, headers, b"{ }")) == (
        True, True, False,
    )  # fmt: skip
    stale = signing.headers([secret], "id", int(time.time()) - 301, b"{}")
    assert not is_right(secret, stale, b"{}")
