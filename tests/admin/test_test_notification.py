"""The page of the test notification: true without scripts."""

from __future__ import annotations

import re

import pytest

from tests.admin.conftest import Desk

pytestmark = pytest.mark.req("I4")


def test_without_scripts_it_is_sent_and_says_what_the_server_knows(desk: Desk) -> None:
    assert "Not sent yet" in desk.text("/admin/test")
    sent = desk.post("/admin/test")
    assert sent.status_code == 303
    path = sent.headers["Location"]
    assert re.fullmatch(r"/admin/test/[0-9a-f-]{36}", path)
    assert "Waiting for the next hop" in desk.text(path)
    other = desk.caller.start()
    assert desk.client.get(f"/admin/test/{other}").status_code == 404
