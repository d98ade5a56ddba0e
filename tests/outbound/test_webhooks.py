"""From a notification to a receiver: once, signed, tried again, given up, and whose fault delays whom."""

from __future__ import annotations

import base64
import hmac
import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from accounts import AuditEntry, User
from config import Config
from database import Database, utc_now
from outbound import deliveries
from outbound.deliveries import RETRIES_S, retry_delay_s
from outbound.models import Delivery
from outbound.sending import SLOW_THREADS
from outbound.webhooks import MAX_WAITING
from tasks.errors import Conflict, InvalidParams, NotFound
from tasks.notices import Notice, Notification
from tests.fixtures.machine import wait_until
from tests.outbound.post import ACTOR, Post
from tests.outbound.receiver import Received, Receiver

pytestmark = pytest.mark.req("I2")


@pytest.fixture
def office(database: Database, receiver: Receiver, make_config: Callable[..., Config], sqlite_url: str) -> Post:
    return opened(database, receiver, make_config, sqlite_url)


def opened(database: Database, receiver: Receiver, make_config: Callable[..., Config], url: str) -> Post:
    config = make_config(
        DATABASE_URL=url, WEBHOOK_ALLOWED_HOSTS=f"http://{receiver.authority}", PUBLIC_URL="https://tasks.example.org"
    )
    return Post(database, config)


def is_signed(got: Received, secret: str) -> bool:
    """What a receiver would do, by itself."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    expected = "v1," + base64.b64encode(hmac.new(key, content, "sha256").digest()).decode()
    return expected in got.headers["webhook-signature"].split(" ")


def test_a_notification_arrives_once_signed_and_with_its_task(office: Post, receiver: Receiver) -> None:
    hook_id, secret = office.hook(receiver.url)
    held = office.core.running("count")
    office.core.fail(held, "The disk is full.")
    office.turn()
    office.turn()
    [got] = receiver.received
    assert is_signed(got, secret)
    [delivery] = office.all()
    assert (delivery.state, delivery.attempt, delivery.webhook_id) == ("delivered", 1, hook_id)
    body = got.json
    assert body["type"] == "notification.failed"
    assert body["delivery"]["id"] == got.headers["webhook-id"] == delivery.id
    assert body["delivery"]["attempt"] == 1
    told, task = body["data"]["notification"], body["data"]["task"]
    assert (told["title"], told["level"]) == (delivery.title, "error")
    assert "The disk is full." in told["text"]
    assert task["url"] == told["url"] == f"https://tasks.example.org/tasks/{held.task_id}"
    assert (task["status"], task["kind"], task["task_id"]) == ("failed", "count", held.task_id)
    assert office.told[-1][0] == office.me.user_id
    assert (office.told[-1][1]["state"], office.told[-1][1]["webhook_id"]) == ("delivered", hook_id)


def test_only_chosen_types_jobs_and_active_webhooks_of_the_person_are_posted_to(
    office: Post, receiver: Receiver
) -> None:
    other = office.core.person("bob")
    office.hook(receiver.url + "&all")
    office.hook(receiver.url + "&alerts", types=["alert"])
    office.hook(receiver.url + "&scans", kinds=["code_scan"])
    office.hook(receiver.url + "&off", active=False)
    office.hook(receiver.url + "&bobs", user_id=other.user_id)
    office.notify()
    office.notify(Notice("test", "info", "Only a test"))
    office.turn()
    assert [each.path.split("&")[1] for each in receiver.received] == ["all"]


@pytest.mark.req("I2", "C1")
def test_senders_that_race_send_every_delivery_once(
    any_database: Database, any_database_url: str, receiver: Receiver, make_config: Callable[..., Config]
) -> None:
    office = opened(any_database, receiver, make_config, any_database_url)
    people = [office.core.person(f"person{number}") for number in range(4)]
    for person in people:
        office.hook(receiver.url, user_id=person.user_id)
    numbers = range(7)
    for number in numbers:
        for person in people:
            office.notify(Notice("finished", "success", f"{person.username} {number}"), person.user_id)
    senders = [office.make_sender(), office.make_sender()]
    both = [threading.Thread(target=office.turn, args=(sender,)) for sender in senders]
    for each in both:
        each.start()
    for each in both:
        each.join()
    titles = Counter(each.json["data"]["notification"]["title"] for each in receiver.received)
    assert set(titles.values()) == {1}
    assert len(titles) == len(numbers) * len(people)
    ids = Counter((each.headers["webhook-id"], each.json["delivery"]["attempt"]) for each in receiver.received)
    assert max(ids.values()) == 1
    assert {each.state for each in office.all()} == {"delivered"}


def test_of_several_claims_one_gets_the_try_and_a_lost_lease_is_anothers(
    any_database: Database, any_database_url: str, receiver: Receiver, make_config: Callable[..., Config]
) -> None:
    office = opened(any_database, receiver, make_config, any_database_url)
    hook_id, _ = office.hook(receiver.url)
    delivery_id = office.hooks.send_test(office.me.user_id, hook_id)
    first = deliveries.claim(any_database, [delivery_id])
    assert [each.attempt for each in first] == [1]
    assert deliveries.claim(any_database, [delivery_id]) == []
    with pytest.raises(Conflict, match="moment"):
        office.hooks.send_again(office.me.user_id, hook_id, delivery_id)
    with any_database.write() as session:
        session.get_one(Delivery, delivery_id).leased_until = utc_now() - timedelta(seconds=1)
    [second] = deliveries.claim(any_database, [delivery_id])
    assert second.attempt == 2
    with any_database.write() as session:
        assert not deliveries.finish(session, first[0], "delivered", None), "the first woke up too late"
        assert deliveries.finish(session, second, "delivered", None)


def test_failures_are_tried_again_with_growing_pauses_for_about_a_day_and_then_given_up(
    office: Post, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status, receiver.answer = 500, b"<b>no</b>\0"
    hook_id, _ = office.hook(receiver.url)
    office.notify()
    office.turn()
    [delivery] = office.all()
    assert (delivery.state, delivery.attempt) == ("waiting", 1)
    assert (delivery.due_at - utc_now()).total_seconds() <= 6
    with caplog.at_level(logging.INFO):
        for _ in RETRIES_S:
            office.pass_time(hours=10)
            office.turn()
    [delivery] = office.all()
    assert (delivery.state, delivery.attempt) == ("given_up", len(RETRIES_S) + 1)
    assert {each.headers["webhook-id"] for each in receiver.received} == {delivery.id}
    assert [each.json["delivery"]["attempt"] for each in receiver.received] == list(range(1, len(RETRIES_S) + 2))
    first = office.tries()[0]
    assert (first.status, first.trouble) == (500, "The receiver answered 500.")
    assert first.answer == "<b>no</b>\N{REPLACEMENT CHARACTER}"
    assert "given up after try 11" in caplog.text
    assert "hidden-in-the-path" not in caplog.text
    assert office.get(hook_id).failing_since is not None


def test_pauses_have_jitter_and_heed_what_the_receiver_asks() -> None:
    assert (retry_delay_s(1, None, 0.0), retry_delay_s(1, None, 1.0)) == (4.0, 6.0)
    assert retry_delay_s(1, 300.0, 0.5) == 300.0
    assert retry_delay_s(1, 10**6, 0.5) == 28_800.0
    assert retry_delay_s(len(RETRIES_S), None, 0.5) == 28_800
    assert retry_delay_s(len(RETRIES_S) + 1, None, 0.5) is None
    assert 20 * 3600 < sum(RETRIES_S) < 30 * 3600


def test_a_webhook_that_failed_for_days_is_switched_off_and_its_owner_told(office: Post, receiver: Receiver) -> None:
    receiver.status = 503
    hook_id, _ = office.hook(receiver.url, name="Chat")
    for days in (0, 4):
        office.notify()
        office.turn()
        office.pass_time(days=days)
        with office.database.write() as session:
            for delivery in session.scalars(select(Delivery).where(Delivery.state == "waiting")):
                delivery.attempt = len(RETRIES_S)
        assert office.get(hook_id).active
        office.turn()
    hook = office.get(hook_id)
    assert (hook.active, hook.switched_off) == (False, "failing")
    with office.database.read() as session:
        [told] = session.scalars(select(Notification).where(Notification.type == "alert"))
    assert (told.user_id, told.title) == (office.me.user_id, "The webhook Chat was switched off")
    shown = office.hooks.change(office.me.user_id, hook_id, {"active": True}, ACTOR)
    assert (shown["active"], shown["switched_off"], shown["failing_since"]) == (True, None, None)


def test_a_receiver_that_is_gone_is_left_alone_at_once(office: Post, receiver: Receiver) -> None:
    receiver.status = 410
    hook_id, _ = office.hook(receiver.url)
    office.notify()
    office.notify()
    office.turn()
    assert sorted(each.state for each in office.all()) == ["dropped", "given_up"]
    assert len(receiver.received) == 1
    assert office.get(hook_id).switched_off == "gone"


def test_one_success_ends_a_row_of_failures(office: Post, receiver: Receiver) -> None:
    receiver.status = 500
    hook_id, _ = office.hook(receiver.url)
    office.notify()
    office.turn()
    assert office.get(hook_id).failing_since
    receiver.status = 204
    office.pass_time(minutes=1)
    office.turn()
    assert office.get(hook_id).failing_since is None
    assert [each.state for each in office.all()] == ["delivered"]


def test_a_slow_receiver_delays_nobody_elses_and_not_the_schedulers_turn(
    office: Post, receiver: Receiver, make_receiver: Callable[..., Receiver]
) -> None:
    slow = make_receiver(behaviour="hang")
    hosts = f"http://{receiver.authority},http://{slow.authority}"
    office = Post(office.database, replace(office.config, webhook_hosts=tuple(hosts.split(","))), office.core)
    sender = office.sender
    bob = office.core.person("bob")
    for number in range(6):
        office.hook(f"{slow.url}&{number}")
    for _ in range(30):
        office.notify()
    office.hook(receiver.url, user_id=bob.user_id)
    office.notify(user_id=bob.user_id)
    sender.turn()
    wait_until(lambda: receiver.received, 10, "bob's is sent while others hang")
    assert len(slow.received) <= 2, "one person has two threads at most"
    slow.released.set()


def test_many_slow_receivers_take_half_of_the_threads_at_most(
    office: Post, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("outbound.sending.SLOW_S", 0.1)
    receiver.behaviour = "late"
    people = [office.core.person(f"person{number}") for number in range(12)]
    for person in people:
        office.hook(receiver.url, user_id=person.user_id)
        office.notify(user_id=person.user_id)
    office.turn()
    for person in people:
        office.notify(user_id=person.user_id)
    office.sender.turn()
    assert len(office.sender._busy) <= SLOW_THREADS
    office.turn()
    assert {each.state for each in office.all()} == {"delivered"}
    assert len(receiver.received) == 24


def test_a_changed_secret_signs_beside_the_old_one_for_a_time(office: Post, receiver: Receiver) -> None:
    hook_id, old = office.hook(receiver.url)
    shown, new = office.hooks.rotate(office.me.user_id, hook_id, 3600, ACTOR)
    assert shown["old_secret_until"]
    office.notify()
    office.turn()
    assert [is_signed(receiver.received[-1], each) for each in (old, new)] == [True, True]
    with office.database.write() as session:
        session.merge(office.get(hook_id)).previous_until = utc_now()
    office.notify()
    office.turn()
    assert [is_signed(receiver.received[-1], each) for each in (old, new)] == [False, True]
    _, newest = office.hooks.rotate(office.me.user_id, hook_id, 0, ACTOR)
    office.notify()
    office.turn()
    assert [is_signed(receiver.received[-1], each) for each in (new, newest)] == [False, True]


def test_a_delivery_is_sent_again_under_its_id_with_new_retries(office: Post, receiver: Receiver) -> None:
    hook_id, _ = office.hook(receiver.url)
    office.notify()
    office.turn()
    [delivery] = office.all()
    receiver.status = 500
    office.hooks.send_again(office.me.user_id, hook_id, delivery.id)
    office.turn()
    [delivery] = office.all()
    assert (delivery.state, delivery.attempt, delivery.round_began) == ("waiting", 2, 1)
    assert (delivery.due_at - utc_now()).total_seconds() <= 6
    assert len({each.headers["webhook-id"] for each in receiver.received}) == 1
    bob = office.core.person("bob")
    for act in (lambda: office.hooks.send_again(bob.user_id, hook_id, delivery.id),
                lambda: office.hooks.send_test(bob.user_id, hook_id),
                lambda: office.hooks.rotate(bob.user_id, hook_id, 0, ACTOR),
                lambda: office.hooks.change(bob.user_id, hook_id, {"active": False}, ACTOR),
                lambda: office.hooks.remove(bob.user_id, hook_id, ACTOR)):  # fmt: skip
        with pytest.raises(NotFound):
            act()


def test_the_log_is_bounded(any_database: Database, receiver: Receiver, config: Config) -> None:
    office = Post(any_database, config)
    hook_id, _ = office.hook("https://hooks.example.org/x")
    with any_database.write() as session:
        for number in range(deliveries.KEPT_PER_WEBHOOK + 30):
            made = deliveries.add(session, "webhook", office.me.user_id, "test", "A test", {}, webhook_id=hook_id)
            made.created_at = utc_now() - timedelta(minutes=number)
            made.state, made.ended_at = "delivered", made.created_at
        old = deliveries.add(session, "mail", office.me.user_id, "failed", "Old", {})
        old.state, old.ended_at = "delivered", utc_now() - timedelta(days=deliveries.KEPT_DAYS + 1)
    assert deliveries.forget_old(any_database) == 31
    assert deliveries.forget_old(any_database) == 0
    assert len(office.all()) == deliveries.KEPT_PER_WEBHOOK


def test_wrong_fields_are_named_and_nobody_has_too_many(office: Post) -> None:
    with pytest.raises(InvalidParams) as refused:
        office.hook("https://10.0.0.1/", types=["nonsense"])
    assert set(refused.value.problems) == {"url", "types"}
    for number in range(20):
        office.hook(f"https://hooks.example.org/{number}")
    with pytest.raises(Conflict):
        office.hook("https://hooks.example.org/21")


def test_a_stranger_is_not_flooded_with_tests(office: Post) -> None:
    hook_id, _ = office.hook("https://hooks.example.org/x")
    for _ in range(MAX_WAITING):
        office.hooks.send_test(office.me.user_id, hook_id)
    with pytest.raises(Conflict, match="wait for this webhook"):
        office.hooks.send_test(office.me.user_id, hook_id)


def test_of_somebody_who_was_disabled_nothing_goes_out(office: Post, receiver: Receiver) -> None:
    office.hook(receiver.url)
    office.notify()
    with office.database.write() as session:
        session.get_one(User, office.me.user_id).is_active = False
    office.turn()
    assert receiver.received == []


@pytest.mark.req("D13")
def test_the_database_and_the_audit_log_hold_no_secret(office: Post, receiver: Receiver) -> None:
    hook_id, secret = office.hook(receiver.url)
    _, newer = office.hooks.rotate(office.me.user_id, hook_id, 60, ACTOR)
    with office.database.read() as session:
        kept = repr([(each.before, each.after, each.subject) for each in session.scalars(select(AuditEntry))])
        row = repr(vars(office.get(hook_id)))
    for each in (secret, newer):
        assert each.removeprefix("whsec_") not in kept + row
    assert "hidden-in-the-path" not in kept
