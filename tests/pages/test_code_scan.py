"""The results of a real scan as a person looks at them: every part has an address and works without JavaScript."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import requests

from tests.fixtures.machine import wait_until
from tests.fixtures.product import Server

pytestmark = [pytest.mark.slow, pytest.mark.req("B15", "B2", "D9")]

SERVICE = """
from flask import Flask
import sqlite3

app = Flask(__name__)


@app.post("/orders")
def create_order():
    db = sqlite3.connect("shop.db")
    db.execute("INSERT INTO orders (name) VALUES (?)", ("<script>alert(1)</script>",))
    return "ok"


@app.get("/orders")
def list_orders():
    db = sqlite3.connect("shop.db")
    return db.execute("SELECT name FROM orders").fetchall()
"""
PAGE = '<form action="/orders" method="post"><button type="submit">Order &lt;b&gt;now&lt;/b&gt;</button></form>'


@pytest.fixture(scope="module")
def repository(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("roots") / "shop"
    folder.mkdir()
    (folder / "service.py").write_text(SERVICE)
    (folder / "order.html").write_text(PAGE)
    (folder / "blob.py").write_bytes(b"\x00\x01" * 100)
    return folder


@pytest.fixture(scope="module")
def scanned(repository):
    """(browse, task id): a signed-in reader and a finished scan."""
    server = Server({"SCAN_ROOTS": str(repository.parent), "WORKERS": "1"})
    server.start()
    person = server.person("ada")
    answer = server.api(
        "POST", "/api/v1/tasks", token=person.token, json={"kind": "code_scan", "params": {"repository_path": "shop"}}
    )
    task_id = answer.json()["task_id"]
    state = f"/api/v1/tasks/{task_id}"
    wait_until(lambda: server.api("GET", state, token=person.token).json()["status"] == "completed", 30, "the scan")
    yield lambda path: requests.get(f"{server.url}{path}", headers=person.headers, timeout=10), task_id
    server.remove()


def test_each_part_of_the_results_shows_what_the_scan_found(scanned):
    browse, task_id = scanned
    base = f"/tasks/{task_id}"
    overview = browse(base).text
    assert "Operations by type" in overview and "/orders" in overview
    nodes = browse(f"{base}/nodes?type=database_write").text
    assert "orders" in nodes and "INSERT INTO orders" in nodes
    assert re.search(r"1 found", nodes)
    assert "create_order" in browse(f"{base}/nodes?q=create_order").text
    assert "Nothing found" in browse(f"{base}/nodes?q=no-such-thing").text
    assert "POST" in browse(f"{base}/endpoints").text
    assert "service.py" in browse(f"{base}/changes").text
    assert "blob.py" in browse(f"{base}/files").text
    assert "From click to data" in browse(f"{base}/flow").text


def test_nothing_of_a_scanned_file_becomes_markup(scanned):
    browse, task_id = scanned
    for tab in ("", "/nodes?q=orders", "/flow", "/endpoints", "/files", "/changes"):
        page = browse(f"/tasks/{task_id}{tab}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text and "<b>now" not in page.text
        assert "style=" not in page.text


def test_a_filter_that_does_not_exist_is_refused_with_a_sentence(scanned):
    browse, task_id = scanned
    assert browse(f"/tasks/{task_id}/nodes?type=nonsense").status_code == 400
    assert browse(f"/tasks/{task_id}/nodes?cursor=nonsense").status_code == 400


def test_the_links_to_exports_lead_to_files(scanned):
    browse, task_id = scanned
    page = browse(f"/tasks/{task_id}/nodes?type=route").text
    csv = re.search(r'href="(/api/v1/scans/[^"]+\.csv[^"]*)"', page)
    exported = re.search(r'href="(/api/v1/scans/[^"]+\.json[^"]*)"', page)
    assert csv and exported
    assert "/orders" in browse(csv.group(1).replace("&amp;", "&")).text
    nodes = json.loads(browse(exported.group(1).replace("&amp;", "&")).text)["nodes"]
    assert {node["type"] for node in nodes} == {"route"}
