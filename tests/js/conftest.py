"""A page of a real browser in which the modules of static/js can be imported and called."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.fixtures.machine import ROOT


class Quiet(SimpleHTTPRequestHandler):
    """Serves the checkout as the product serves static/, without a line per request."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def checkout_url() -> Iterator[str]:
    """The files of the checkout over HTTP, on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ROOT)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def module_page(browser: Any, checkout_url: str) -> Iterator[Page]:
    """One page for all modules: they keep no state between tests."""
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{checkout_url}/tests/js/blank.html")
    yield page
    context.close()
