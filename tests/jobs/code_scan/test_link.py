"""Linking: which edges follow from small projects, how sure they are, and which must not."""

from __future__ import annotations

import dataclasses
import time
import tracemalloc
from textwrap import dedent

import pytest

from jobs.code_scan import languages
from jobs.code_scan.facts import Call, FileFacts, Node, confidence_level
from jobs.code_scan.link import link

pytestmark = pytest.mark.req("B2")


def _read(sources: dict[str, str]) -> list[FileFacts]:
    return [
        languages.analyze(path, languages.language_of(path) or "", dedent(text).lstrip("\n").encode())
        for path, text in sources.items()
    ]


def _edges(sources: dict[str, str], *labels: str) -> list[tuple[str, str, str, str]]:
    files = _read(sources)
    names = {(file.path, index): node.name for file in files for index, node in enumerate(file.nodes)}
    return sorted(
        (edge.label, names[edge.source], names[edge.target], confidence_level(edge.confidence))
        for edge in link(files)
        if edge.label in labels
    )


_SHOP = {
    "web/PackStation.tsx": """
        import { createShipment } from "./api";
        export const PackStation = () => {
          const print = () => { createShipment({}); };
          return <button onClick={print}>Print label</button>;
        };
    """,
    "web/api.ts": """
        export async function createShipment(body: object) {
          return fetch("/api/v2/shipments", { method: "POST" });
        }
        export const one = (id: string) => fetch(`/api/v2/shipments/${id}`);
    """,
    "server/shipments.py": """
        from fastapi import APIRouter
        from server import service
        router = APIRouter(prefix="/api/v2")

        @router.post("/shipments")
        def create(body): return service.create_shipment(body)

        @router.get("/shipments/{shipment_id}")
        def one(shipment_id): ...
    """,
    "server/service.py": """
        from sqlalchemy import update, select
        from server.models import Shipment

        def create_shipment(body):
            session.execute(update(Shipment))
    """,
    "server/models.py": """
        class Shipment(Base):
            __tablename__ = "shipment"
    """,
}


def test_a_click_reaches_its_table_through_every_layer() -> None:
    labels = ("triggers", "calls", "performs", "requests", "handled by", "writes", "stored in")
    assert _edges(_SHOP, *labels) == sorted(
        [
            ("calls", "PackStation.print", "createShipment", "certain"),
            ("calls", "create", "create_shipment", "certain"),
            ("handled by", "GET /api/v2/shipments/{shipment_id}", "one", "certain"),
            ("handled by", "POST /api/v2/shipments", "create", "certain"),
            ("performs", "create_shipment", "Shipment", "certain"),
            ("performs", "createShipment", "POST /api/v2/shipments", "certain"),
            ("performs", "one", "GET /api/v2/shipments/{id}", "certain"),
            ("requests", "GET /api/v2/shipments/{id}", "GET /api/v2/shipments/{shipment_id}", "certain"),
            ("requests", "POST /api/v2/shipments", "POST /api/v2/shipments", "certain"),
            ("stored in", "Shipment", "shipment", "certain"),
            ("triggers", 'click "Print label"', "PackStation.print", "certain"),
            ("writes", "Shipment", "shipment", "certain"),
        ]
    )


def test_an_injected_interface_leads_to_its_one_implementation() -> None:
    sources = {
        "A.cs": "class A(IMailer mailer) { void F() { mailer.Post(); } }",
        "IMailer.cs": "interface IMailer { void Post(); }",
        "Mailer.cs": "class Mailer : IMailer { public void Post() { } }",
        "Other.cs": "class Other { public void Post() { } }",
    }
    assert _edges(sources, "calls") == sorted(
        [
            ("calls", "A.F", "IMailer.Post", "certain"),
            ("calls", "A.F", "Mailer.Post", "likely"),
        ]
    )


def test_a_method_of_a_base_class_is_found_and_a_loop_of_bases_ends() -> None:
    sources = {
        "A.cs": "class A : Base { void F() { Shared(); this.Other(); } }",
        "Base.cs": "class Base : A { protected void Shared() { } }",
    }
    assert _edges(sources, "calls") == [("calls", "A.F", "Base.Shared", "likely")]


def test_an_unknown_receiver_is_a_guess_only_for_a_unique_name() -> None:
    sources = {
        "a.py": "def f(x):\n    x.reconcile_everything()\n    x.frobnicate()\n",
        "b.py": "class B:\n    def reconcile_everything(self): ...\n    def frobnicate(self): ...\n",
        "c.py": "class C:\n    def frobnicate(self): ...\n",
    }
    assert _edges(sources, "calls") == [("calls", "f", "B.reconcile_everything", "guess")]


def test_a_call_of_one_language_does_not_lead_into_another() -> None:
    sources = {"a.py": "def f():\n    Helper.only_here()\n", "b.ts": "class Helper { static only_here() {} }"}
    assert _edges(sources, "calls") == []


def test_routes_are_matched_by_method_and_path() -> None:
    sources = {
        "api.py": """
            from flask import Flask
            app = Flask(__name__)
            @app.get("/users/<int:id>")
            def user(id): ...
            @app.get("/users/me")
            def me(): ...
            @app.post("/<name>")
            def any_name(name): ...
        """,
        "web.ts": """
            export const a = () => fetch("/users/me");
            export const b = (id) => fetch(`/users/${id}`);
            export const c = () => fetch("/users/7", { method: "DELETE" });
            export const d = () => fetch("https://api.stripe.com/users/me");
            export const e = () => fetch("http://localhost:5000/users/me");
            export const f = () => fetch("/anything", { method: "POST" });
        """,
    }
    assert _edges(sources, "requests") == sorted(
        [
            ("requests", "GET /users/me", "GET /users/me", "certain"),
            ("requests", "GET /users/{id}", "GET /users/{id}", "certain"),
            ("requests", "GET http://localhost:5000/users/me", "GET /users/me", "certain"),
        ]
    )


def test_a_template_leads_to_the_code_beside_it() -> None:
    sources = {
        "app/edit.component.html": '<button (click)="save()">Save</button>',
        "app/edit.component.ts": "export class EditComponent { save() {} }",
        "app/other.component.ts": "export class OtherComponent { save() {} }",
        "Main.xaml": '<Window x:Class="A.Main" xmlns:x="b"><Button Click="OnGo"/></Window>',
        "Main.xaml.cs": "partial class Main { void OnGo() { } }",
    }
    assert _edges(sources, "triggers") == sorted(
        [
            ("triggers", "click <Button>", "Main.OnGo", "certain"),
            ("triggers", 'click "Save"', "EditComponent.save", "certain"),
        ]
    )


def test_messages_are_delivered_by_topic_and_procedures_are_called_by_name() -> None:
    sources = {
        "send.cs": "using MassTransit; class S(IBus bus) { void F() { bus.Publish(new OrderPlaced()); } }",
        "take.cs": "class T : IConsumer<OrderPlaced> { public Task Consume(ConsumeContext<OrderPlaced> c) { } }",
        "repo.cs": 'using Dapper; class R { void F(SqlConnection c) { c.Query("[dbo].[User_Read]"); } }',
        "proc.sql": "CREATE PROCEDURE [dbo].[User_Read] AS SELECT 1 FROM [User]",
    }
    assert _edges(sources, "delivers", "calls") == sorted(
        [
            ("calls", "User_Read", "User_Read", "likely"),
            ("delivers", "OrderPlaced", "OrderPlaced", "likely"),
        ]
    )


def test_facts_without_snippets_and_evidence_link_the_same() -> None:
    files = _read(_SHOP)
    lighter = [
        dataclasses.replace(
            file, nodes=tuple(dataclasses.replace(node, snippet="", evidence="") for node in file.nodes)
        )
        for file in files
    ]
    assert list(link(lighter)) == list(link(iter(files)))


def test_every_edge_is_given_once() -> None:
    edges = list(link(_read(_SHOP)))
    assert len(edges) == len({(edge.source, edge.target, edge.label) for edge in edges})


@pytest.mark.slow
def test_seventy_five_thousand_nodes_link_in_seconds_and_little_memory() -> None:
    def file(number: int) -> FileFacts:
        functions = tuple(Node("function", f"C{number}.method{index}", index + 1, index + 1) for index in range(10))
        reads = tuple(
            Node("database_read", "t", 20 + index, 20, function=f"C{number}.method{index}", target=f"t{number % 50}")
            for index in range(4)
        )
        nodes = (Node("class", f"C{number}", 1, 99, target=f"Base{number % 9}"), *functions, *reads)
        calls = tuple(
            Call(f"C{number}.method{index}", f"method{index + 1}", f"C{(number * 7) % 5000}", index)
            for index in range(9)
        )
        return FileFacts(f"src/folder{number % 90}/C{number}.cs", "csharp", 99, nodes, calls)

    files = [file(number) for number in range(5000)]
    tracemalloc.start()
    started = time.perf_counter()
    count = sum(1 for _ in link(files))
    elapsed, (_, peak) = time.perf_counter() - started, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 100_000
    assert peak < 150_000_000
    assert elapsed < 20  # traced, on a busy machine; 1 s untraced
