"""The scheduler as it runs: a notification is posted without anybody asking, and open pages hear of each try."""

from __future__ import annotations

import threading
from collections.abc import Callable

import orjson
import pytest

from config import Config
from database import Database
from delivery.event_log import EventLog, connect
from outbound.sending import Sender, to_feed
from tasks.scheduler import Scheduler
from tests.fixtures.machine import wait_until
from tests.outbound.post import Post
from tests.outbound.receiver import Receiver

pytestmark = pytest.mark.req("I2")


def test_a_scheduler_posts_what_is_told_and_tells_the_pages(
    database: Database, sqlite_url: str, redis_url: str, receiver: Receiver, make_config: Callable[..., Config]
) -> None:
    hosts = f"http://{receiver.authority}"
    config = make_config(DATABASE_URL=sqlite_url, REDIS_URL=redis_url, WEBHOOK_ALLOWED_HOSTS=hosts)
    office = Post(database, config)
    hook_id, _ = office.hook(receiver.url)
    client = connect(redis_url)
    channel = client.pubsub(ignore_subscribe_messages=True)
    channel.subscribe(EventLog(client, config.redis_prefix).user_channel(office.me.user_id))
    stop = threading.Event()
    scheduler = threading.Thread(target=Scheduler(config).run, args=(stop,))
    scheduler.start()
    heard = []
    try:
        office.notify()

        def is_told() -> bool:
            message = channel.get_message(timeout=0.1)
            heard.extend([orjson.loads(message["data"][1:])] if message else [])
            return any(name == "delivery_update" for name, _ in heard)

        wait_until(is_told, 20, "the try is told")
    finally:
        stop.set()
        scheduler.join()
        channel.close()
        client.close()
    assert len(receiver.received) == 1
    [update] = [data for name, data in heard if name == "delivery_update"]
    assert (update["webhook_id"], update["state"], update["attempt"]) == (hook_id, "delivered", 1)


def test_a_redis_that_is_away_and_an_error_that_nobody_foresaw_stop_no_delivery(
    office_with_trouble: tuple[Post, Receiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    office, receiver = office_with_trouble
    office.hook(receiver.url)
    office.notify()
    monkeypatch.setattr("outbound.hook_post.post", lambda *_: 1 / 0)
    office.turn()
    [tried] = office.tries()
    assert tried.trouble == "This server met an error that it did not expect (ZeroDivisionError)."
    monkeypatch.undo()
    office.pass_time(minutes=1)
    office.turn()
    assert [each.state for each in office.all()] == ["delivered"]


@pytest.fixture
def office_with_trouble(
    database: Database, sqlite_url: str, receiver: Receiver, make_config: Callable[..., Config]
) -> tuple[Post, Receiver]:
    """Its Redis answers nobody."""
    hosts = f"http://{receiver.authority}"
    office = Post(database, make_config(DATABASE_URL=sqlite_url, WEBHOOK_ALLOWED_HOSTS=hosts))
    nowhere = EventLog(connect("redis://127.0.0.1:1/0", 0.2), "taskroom:")
    office.sender = Sender(database, office.config, to_feed(nowhere))
    return office, receiver
