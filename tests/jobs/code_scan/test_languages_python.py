"""Python: operations with their evidence, routes, entities, and what is not to be mistaken for one."""

from __future__ import annotations

import pytest

from tests.jobs.code_scan.analysis import facts, of_type, one, operations

pytestmark = pytest.mark.req("B2")


def test_sqlalchemy_statements_name_their_model() -> None:
    text = """
    from sqlalchemy import select, update
    from sqlalchemy.orm import Session

    def move(session: Session, unit: StockUnit):
        session.scalars(select(StockUnit).where(StockUnit.id == 1))
        session.execute(update(StockUnit).values(n=1))
        session.add(unit)
        session.query(Shipment).all()
    """
    assert operations("python", text) == [
        ("database_read", "StockUnit", 5, "certain"),
        ("database_write", "StockUnit", 6, "certain"),
        ("database_write", "StockUnit", 7, "certain"),
        ("database_read", "Shipment", 8, "certain"),
    ]


def test_django_managers_read_and_write_once_per_statement() -> None:
    text = """
    from django.db import models
    from shop.models import Order

    def f():
        Order.objects.filter(a=1).exclude(b=2).order_by("c")
        Order.objects.create_many(a=1)
        Order.objects.filter(a=1).delete()
    """
    assert operations("python", text) == [
        ("database_read", "Order", 5, "certain"),
        ("database_write", "Order", 6, "certain"),
        ("database_read", "Order", 7, "certain"),
        ("database_write", "Order", 7, "certain"),
    ]


def test_sql_text_names_its_tables() -> None:
    text = '''
    import sqlite3

    def f(name):
        conn = sqlite3.connect("x.db")
        conn.execute("select a from users join teams on 1=1 where id = ?", (1,))
        conn.execute(f"""INSERT INTO logs (a) VALUES ({name})""")
    '''
    assert operations("python", text) == [
        ("database_read", "teams", 5, "certain"),
        ("database_read", "users", 5, "certain"),
        ("database_write", "logs", 6, "certain"),
    ]


def test_http_clients_are_known_through_imports() -> None:
    text = """
    import requests as r
    from httpx import AsyncClient

    BASE = "http://localhost/api/items"

    async def f(uid):
        r.get(f"https://x.io/users/{uid}", timeout=3)
        async with AsyncClient() as client:
            await client.post(BASE, json={})
    """
    assert operations("python", text) == [
        ("api_call", "GET https://x.io/users/{uid}", 7, "certain"),
        ("api_call", "POST http://localhost/api/items", 9, "certain"),
    ]


def test_files_by_the_builtin_open_and_by_paths() -> None:
    text = """
    from pathlib import Path
    import shutil

    def f(p: Path):
        open("a.txt")
        open("b.txt", "wb")
        p.write_text("x")
        shutil.copy("a", "b")
    """
    assert operations("python", text) == [
        ("file_read", "a.txt", 5, "certain"),
        ("file_write", "b.txt", 6, "certain"),
        ("file_write", "p", 7, "certain"),
        ("file_write", "b", 8, "certain"),
    ]


def test_messages_and_caches() -> None:
    text = """
    from celery import shared_task
    from django.core.cache import cache
    import redis

    r = redis.Redis()

    @shared_task
    def consume(x):
        cache.set("stock:1", x)

    def f():
        consume.delay(1)
        r.publish("labels.requested", "x")
        return r.get("k")
    """
    assert operations("python", text) == [
        ("message_receive", "consume", 7, "certain"),
        ("cache_write", "stock:1", 9, "certain"),
        ("message_send", "consume", 12, "certain"),
        ("message_send", "labels.requested", 13, "certain"),
        ("cache_read", "k", 14, "certain"),
    ]


def test_routes_of_flask_fastapi_and_django() -> None:
    flask = """
    from flask import Blueprint
    bp = Blueprint("x", __name__, url_prefix="/api")

    @bp.route("/items/<int:item_id>", methods=["GET", "DELETE"])
    def item(item_id): ...
    """
    assert of_type("python", flask, "route") == [
        ("route", "DELETE /api/items/{item_id}", 4, "certain"),
        ("route", "GET /api/items/{item_id}", 4, "certain"),
    ]
    fastapi = """
    from fastapi import APIRouter
    router = APIRouter(prefix="/users")

    @router.post("/{user_id}/lock")
    async def lock(user_id: int): ...
    """
    node = one("python", fastapi, "route")
    assert (node.name, node.verb, node.target, node.function) == (
        "POST /users/{user_id}/lock",
        "POST",
        "/users/{user_id}/lock",
        "lock",
    )
    django = """
    from django.urls import path
    from . import views
    urlpatterns = [path("docs/<int:pk>/", views.DocView.as_view(), name="x")]
    """
    node = one("python", django, "route")
    assert (node.name, node.function) == ("ANY /docs/{pk}/", "DocView")


def test_entities_name_their_tables() -> None:
    text = """
    class User(Base):
        __tablename__ = "users"
    """
    assert one("python", text, "entity").target == "users"
    assert of_type("python", text, "table") == [("table", "users", 1, "certain")]


def test_transforms_need_the_library() -> None:
    text = """
    import json

    def f(x):
        return json.loads(x)
    """
    assert operations("python", text) == [("data_transform", "json.loads", 4, "certain")]


def test_calls_know_self_imports_and_declared_types() -> None:
    text = """
    from app import crud

    class A:
        def f(self, mailer: Mailer):
            self.g()
            crud.make()
            mailer.post()
            helper()
    """
    assert [(call.caller, call.callee, call.receiver) for call in facts("python", text).calls] == [
        ("A.f", "g", "self"),
        ("A.f", "make", "crud"),
        ("A.f", "post", "Mailer"),
        ("A.f", "helper", ""),
    ]


@pytest.mark.parametrize(
    "line",
    [
        'd = {}; d.get("k"); d.update(a=1)',
        "debug_element.query(By.css('x'))",
        "items.filter(x).all()",
        "thing.save(); thing.delete(); thing.execute(1)",
        "client.get('/x')",
        "queue.send(1); bus.publish(2)",
        '"Select a user from the list"',
        "cache.get('k')",
        "'SELECT nothing'",
        "os_path.remove(1)",
    ],
)
def test_a_methods_name_alone_is_not_evidence(line: str) -> None:
    assert operations("python", f"def f(thing, client):\n    {line}\n") == []
