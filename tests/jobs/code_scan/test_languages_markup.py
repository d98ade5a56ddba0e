"""HTML, Vue, Razor, XAML and SQL files."""

from __future__ import annotations

import pytest

from jobs.code_scan.facts import Node
from tests.jobs.code_scan.analysis import facts, of_type, one

pytestmark = pytest.mark.req("B2")


def _triggers(language: str, text: str) -> list[tuple[str, int, str | None, str | None]]:
    def short(node: Node) -> tuple[str, int, str | None, str | None]:
        return node.name, node.line, node.function, node.target

    return [short(node) for node in facts(language, text).nodes if node.type == "ui_trigger"]


def test_handlers_of_plain_html_angular_and_htmx() -> None:
    text = """
    <button onclick="printLabel(1)">Print</button>
    <button (click)="save(); close()">Save</button>
    <button hx-post="/labels/{{ id }}">Send</button>
    <button onclick="alert(1)">No handler</button>
    """
    assert _triggers("html", text) == [
        ('click "Print"', 1, "printLabel", None),
        ('click "Save"', 2, "save", None),
        ('post "Send"', 3, None, "POST /labels/{{ id }}"),
        ('click "No handler"', 4, None, None),
    ]


def test_forms_name_the_route_they_submit_to() -> None:
    text = """
    <form method="post" action="/orders/new?x=1"></form>
    <form asp-controller="Users" asp-action="Edit" method="post"></form>
    <form action="{{ url }}"></form>
    """
    assert _triggers("razor", text) == [
        ("submit /orders/new", 1, None, "POST /orders/new"),
        ("submit /Users/Edit", 2, None, "POST /Users/Edit"),
    ]


def test_a_vue_file_is_read_as_template_and_script_on_their_own_lines() -> None:
    text = """
    <template>
      <button @click="save">Save</button>
    </template>
    <script setup lang="ts">
    async function save() {
      await fetch("/orders", { method: "PUT" });
    }
    </script>
    """
    assert _triggers("vue", text) == [('click "Save"', 2, "save", None)]
    call = one("vue", text, "api_call")
    assert (call.name, call.line, call.function, call.snippet) == (
        "PUT /orders", 6, "save", 'await fetch("/orders", { method: "PUT" });'
    )  # fmt: skip


def test_a_razor_page_is_a_route() -> None:
    assert of_type("razor", '@page "/counter"\n<p></p>', "route") == [("route", "VIEW /counter", 1, "certain")]


def test_xaml_commands_and_handlers() -> None:
    text = """
    <Window x:Class="Shop.MainWindow" xmlns="http://a" xmlns:x="http://b">
      <Button Content="Print" Click="OnPrint"/>
      <Button Command="{Binding SaveCommand}"/>
    </Window>
    """
    assert [(name, line, handler) for name, line, handler, _ in _triggers("xaml", text)] == [
        ('click "Print"', 2, "MainWindow.OnPrint"),
        ("click <Button>", 3, "SaveCommand"),
    ]


@pytest.mark.req("B4")
def test_xaml_with_entities_is_refused_and_counted() -> None:
    text = '<!DOCTYPE a [<!ENTITY x "y">]><Window x:Class="A.B" xmlns:x="c">&x;<Button Click="F"/></Window>'
    found = facts("xaml", text)
    assert (found.nodes, found.broken) == ((), 1)


def test_sql_files_define_tables_and_procedures_that_read_and_write() -> None:
    text = """
    CREATE TABLE [dbo].[StockUnit] (Id INT)
    GO
    CREATE PROCEDURE [dbo].[Move] @Id INT AS
    BEGIN
      UPDATE U SET n = 1 FROM [dbo].[StockUnit] U JOIN Site S ON 1 = 1
      ;WITH old AS (SELECT * FROM Archive) DELETE FROM Log WHERE id IN (SELECT id FROM old)
      EXEC [dbo].[Bump] @Id
    END
    """
    found = facts("sql", text)
    assert [
        (node.type, node.name, node.line, node.function) for node in found.nodes if node.type != "database_read"
    ] == [
        ("table", "StockUnit", 1, None),
        ("function", "Move", 3, None),
        ("database_write", "StockUnit", 5, "Move"),
        ("database_write", "Log", 6, "Move"),
    ]
    assert {node.name for node in found.nodes if node.type == "database_read"} == {"StockUnit", "Site", "Archive"}
    assert [(call.caller, call.callee) for call in found.calls] == [("Move", "Bump")]


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT a FROM b, c WHERE EXTRACT(year FROM d) = 1", ["b", "c"]),
        ("SELECT 'from x' FROM y -- from z", ["y"]),
        ("SELECT * FROM (SELECT * FROM a) q JOIN b ON 1 = 1", ["a", "b"]),
        ("SELECT x IS DISTINCT FROM y FROM t", ["t"]),
        ('INSERT INTO "Order" (a) SELECT a FROM `cart` ON CONFLICT DO UPDATE SET a = 1', ["Order", "cart"]),
        ("SELECT * FROM #temp JOIN @rows ON 1 = 1", []),
        ("SELECT * FROM generate_series(1, 2)", []),
        ("IF EXISTS (SELECT * FROM sys.views) SELECT 1 FROM INFORMATION_SCHEMA.TABLES", []),
        ("CREATE TRIGGER t AFTER INSERT OR UPDATE ON u BEGIN SELECT 1 FROM v; END", ["v"]),
    ],
)
def test_tables_are_read_from_sql_as_its_clauses_say(sql: str, tables: list[str]) -> None:
    found = facts("sql", sql).nodes
    assert sorted({node.name for node in found if node.type.startswith("database_")}) == sorted(tables)
