"""Share links: what makes them hold, what ends them, and what of a task they show."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts import COMMAND_LINE
from accounts.models import User
from config import Config
from database import utc_now
from delivery.outbox import Batch, Outgoing
from delivery.visitors import VisitorTarget
from tasks import events, lifecycle, store
from tasks.errors import Conflict, Forbidden, NotFound, RateLimited
from tasks.events import PROGRESS_FIELDS
from tasks.sharing import DEFAULT_S, MOST_LINKS, ShareLink, Sharing, Veil
from tasks.sharing.tries import BURST, PER_S, Tries
from tasks.sharing.veil import SHOWN
from tests.fixtures.core import Core

HERE = "192.0.2.1"
SECRET = "not-for-strangers"


@pytest.fixture
def sharing(core: Core, make_config: Callable[..., Config]) -> Sharing:
    return Sharing(core.database, make_config())


def set_link(core: Core, link_id: int, **values: Any) -> None:
    with core.database.write() as session:
        for name, value in values.items():
            setattr(session.get_one(ShareLink, link_id), name, value)


@pytest.mark.req("D2")
def test_a_link_opens_its_task_until_it_expires_or_is_revoked(core: Core, sharing: Sharing) -> None:
    task_id = core.submit()
    first, token = sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)
    second, other = sharing.make(core.me, task_id, 60, COMMAND_LINE)
    assert sharing.open(token, HERE).task_id == sharing.open(other, HERE).task_id == task_id
    assert sharing.ended({first["id"], second["id"], 999}) == {999}
    set_link(core, second["id"], expires_at=utc_now() - timedelta(milliseconds=1))
    sharing.revoke(core.me, task_id, first["id"], COMMAND_LINE)
    sharing.revoke(core.me, task_id, first["id"], COMMAND_LINE)
    for ended in (token, other):
        with pytest.raises(NotFound):
            sharing.open(ended, HERE)
    assert sharing.ended({first["id"], second["id"]}) == {first["id"], second["id"]}


@pytest.mark.req("D12")
def test_a_token_has_256_random_bits_and_is_kept_as_a_hash_alone(core: Core, sharing: Sharing) -> None:
    task_id = core.submit()
    link, token = sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)
    assert len(token.partition(".")[0]) >= 43
    with core.database.read() as session:
        row = session.get_one(ShareLink, link["id"])
        assert token.partition(".")[0] not in str(vars(row))
        assert token not in str(sharing.listed(session, core.me, task_id))


@pytest.mark.req("D12")
def test_another_secret_key_ends_every_link(core: Core, sharing: Sharing, make_config: Callable[..., Config]) -> None:
    _, token = sharing.make(core.me, core.submit(), DEFAULT_S, COMMAND_LINE)
    with pytest.raises(NotFound):
        Sharing(core.database, make_config(SECRET_KEY=secrets.token_urlsafe(40))).open(token, HERE)


NO_TOKENS = ("", ".", "x", "a.b", "é.ü", "\ud800.x", "\0", "x" * 10_000, None, 7, ["x"], {"a": 1}, True, b"x")


def test_whatever_is_no_token_is_not_found(sharing: Sharing) -> None:
    for token in NO_TOKENS:
        with pytest.raises(NotFound):
            sharing.open(token, HERE)


@pytest.mark.req("D2", "D7")
def test_a_link_holds_only_while_its_maker_may_share_the_task(core: Core, sharing: Sharing) -> None:
    task_id, admin, eve = core.submit(), core.person("root", "admin"), core.person("eve")
    with pytest.raises(NotFound):
        sharing.make(eve, task_id, DEFAULT_S, COMMAND_LINE)
    link, token = sharing.make(admin, task_id, DEFAULT_S, COMMAND_LINE)
    with core.database.write() as session:
        session.get_one(User, admin.user_id).role = "user"
    assert sharing.ended({link["id"]}) == {link["id"]}
    with pytest.raises(NotFound):
        sharing.open(token, HERE)


@pytest.mark.req("D2")
def test_who_may_only_watch_makes_lists_and_revokes_none(core: Core, sharing: Sharing) -> None:
    task_id, eve = core.submit(visibility="everyone"), core.person("eve")
    link, _ = sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)
    with pytest.raises(Forbidden):
        sharing.make(eve, task_id, DEFAULT_S, COMMAND_LINE)
    with pytest.raises(Forbidden):
        sharing.revoke(eve, task_id, link["id"], COMMAND_LINE)
    with core.database.read() as session, pytest.raises(Forbidden):
        sharing.listed(session, eve, task_id)
    with pytest.raises(NotFound):
        sharing.revoke(core.me, core.submit(), link["id"], COMMAND_LINE)


def test_a_task_has_a_bounded_number_of_links_that_hold(core: Core, sharing: Sharing) -> None:
    task_id = core.submit()
    made = [sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)[0] for _ in range(MOST_LINKS)]
    with pytest.raises(Conflict):
        sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)
    sharing.revoke(core.me, task_id, made[0]["id"], COMMAND_LINE)
    sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)


def test_a_link_lasts_a_minute_to_thirty_days(core: Core, sharing: Sharing) -> None:
    for lasts_s in (0, -1, 59, 30 * 86_400 + 1):
        with pytest.raises(ValueError, match="lasts from"):
            sharing.make(core.me, "", lasts_s, COMMAND_LINE)


@pytest.mark.req("G6")
def test_links_go_with_their_task(core: Core, sharing: Sharing) -> None:
    held = core.running()
    link, _ = sharing.make(core.me, held.task_id, DEFAULT_S, COMMAND_LINE)
    core.complete(held)
    assert lifecycle.remove(core.database, [held.task_id]) == 1
    assert sharing.ended({link["id"]}) == {link["id"]}


def test_opening_is_counted(core: Core, sharing: Sharing) -> None:
    task_id = core.submit()
    _, token = sharing.make(core.me, task_id, DEFAULT_S, COMMAND_LINE)
    for _ in range(3):
        sharing.note_use(sharing.open(token, HERE))
    with core.database.read() as session:
        (link,) = sharing.listed(session, core.me, task_id)
    assert link["uses"] == 3
    assert link["last_used_at"] is not None


@pytest.mark.req("D6")
def test_wrong_tokens_use_up_an_addresss_tries_which_come_back_with_time() -> None:
    now = [0.0]
    tries = Tries(lambda: now[0])
    for _ in range(BURST):
        tries.check(HERE)
        tries.count(HERE)
    with pytest.raises(RateLimited) as refused:
        tries.check(HERE)
    tries.check("192.0.2.2")
    with pytest.raises(RateLimited):
        tries.count("2001:db8::1")
        for _ in range(BURST):
            tries.count("2001:db8::2")
        tries.check("2001:db8::3")
    now[0] = refused.value.retry_after_s or 0
    assert now[0] == 1 / PER_S
    tries.check(HERE)


# What a visitor sees

FULL = dict.fromkeys(PROGRESS_FIELDS, SECRET) | {"phases": [], "details": {}, "task_id": "t"}
NUMBERS = {"n": 3, "ok": True, "valid": 2}
FINALS = {
    events.TASK_COMPLETED: {
        "results": {
            "n": 3,
            "ok": True,
            "scan_id": 9,
            "repositoryId": 4,
            "valid": 2,
            "path": SECRET,
            "argv": [SECRET],
            "by": {SECRET: 1},
        }
    },
    events.TASK_CANCELLED: {"cancelled_by": SECRET, "reason": SECRET, "forced": False},
    events.TASK_ERROR: {"error": "It broke.", "category": SECRET, "retryable": True, "reference": SECRET},
    events.TASK_RETRYING: {"error": "It broke.", "category": SECRET, "retry_at": "2026-11-21T14:02:10.402Z"},
}


@pytest.mark.req("A11")
@pytest.mark.parametrize("name", FINALS)
def test_of_an_end_a_visitor_sees_the_numbers_and_the_error_but_no_people_and_references(name: str) -> None:
    shown = Veil(()).task({**FINALS[name], "task_id": "t", "owner": {"username": SECRET}, "params": {"a": SECRET}})
    assert SECRET not in events.encode(shown)
    assert shown.get("results", NUMBERS) == NUMBERS
    assert shown.get("error", "It broke.") == "It broke."


@pytest.mark.req("A11")
def test_of_progress_a_visitor_sees_what_is_named_and_whatever_is_new_stays_hidden(core: Core) -> None:
    with core.database.read() as session:
        row = store.load_task(session, core.submit())
        assert row is not None
        snapshot = {**store.snapshot(*row), "something_new": SECRET}
    shown = Veil(()).task(snapshot)
    hidden = set(snapshot) - set(shown)
    people_and_machines = {"owner", "worker", "cancelled_by", "reason", "reference", "category", "retryable"}
    assert hidden >= people_and_machines | {"params", "schedule_id", "retry_of", "visibility", "something_new"}
    assert set(shown) <= SHOWN | {"phases", "details", "results"}
    details = {"files": 3, "current_file": SECRET, "deep": {"a": 1}}
    assert Veil(()).task({"details": details}) == {"details": {"files": 3}}
    odd_phase = {"name": "a", "title": "A", "state": "done", "secret": SECRET}
    assert Veil(()).task({"phases": [odd_phase]})["phases"] == [{"name": "a", "title": "A", "state": "done"}]
    assert Veil(()).lines([{"n": 1, "at": "x", "level": "info", "text": "y", "secret": SECRET}])[0].keys() == {
        "n", "at", "level", "text",
    }  # fmt: skip


@pytest.mark.req("D11")
@pytest.mark.parametrize("folder", ["/srv/données", '/srv/a"b', "/srv/a.b+c", "/srv/repos"])
def test_directories_of_the_server_are_cut_off_wherever_a_text_names_them(folder: str) -> None:
    veil = Veil([Path(folder), Path("/"), Path("/srv")])
    shown = veil.task({"title": f"Scan of {folder}", "current_step": f"{folder}/src/a.py", "error": "no /srv/other"})
    assert shown == {"title": "Scan of …", "current_step": "…/src/a.py", "error": "no /srv/other"}


class Taken:
    """Somebody's socket."""

    is_overrun = False

    def __init__(self) -> None:
        self.items: list[Outgoing] = []

    def write(self, batch: Batch) -> None:
        self.items += batch.items


@pytest.mark.req("A11", "A16")
def test_an_event_is_veiled_once_for_all_visitors_and_stays_whole_for_the_others() -> None:
    packet = b"4" + events.packet(events.PROGRESS_UPDATE, {**FULL, "worker": SECRET}).encode()
    item = Outgoing(packet, "t", is_progress=True)
    veil, first, second, member = Veil(()), Taken(), Taken(), Taken()
    for taken in (first, second):
        VisitorTarget(taken, veil).write(Batch.of([item]))
    member.write(Batch.of([item]))
    assert first.items[0] is second.items[0]
    assert (first.items[0].task_id, first.items[0].is_progress) == ("t", True)
    assert '"worker"' not in first.items[0].packet
    assert member.items[0].packet == packet.decode()
