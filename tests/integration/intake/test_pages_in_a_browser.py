"""The pages of problems that the intake serves to people, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from selenium import webdriver
from werkzeug.serving import make_server

from tests.integration.console.browser import Pages, chromium, needs_browser

__all__ = ["chromium"]

pytestmark = [needs_browser, pytest.mark.integration]


@pytest.fixture
def browser(intake: Flask, chromium: webdriver.Chrome) -> Iterator[Pages]:
    """The intake in the browser."""
    server = make_server("127.0.0.1", 0, intake, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Pages(chromium, f"http://127.0.0.1:{server.port}")
    chromium.get("about:blank")
    server.shutdown()
    thread.join()


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("path", ["problems/", "problems/OVERDUE"])
def test_axe_has_nothing_against_a_page(browser: Pages, path: str, width: int) -> None:
    browser.size(width)
    browser.driver.get(f"{browser.url}/{path}")
    browser.see("h1")
    browser.photograph(f"intake-{path.replace('/', '-')}{width}")
    assert browser.violations() == []
