"""The pages of problems that the intake serves to people, in a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from selenium import webdriver
from selenium.webdriver.common.by import By
from werkzeug.serving import make_server

from tests.integration.console.browser import Pages, chromium, needs_browser

__all__ = ["chromium"]

pytestmark = [needs_browser, pytest.mark.integration]

OPERATION = ".opblock-summary-control"  # the button that shows an operation


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


LOOKS = [(390, "light"), (390, "dark"), (1440, "light"), (1440, "dark")]


@pytest.mark.parametrize(
    ("path", "width", "theme"),
    # /docs takes axe half a minute: each width and each theme once, for colours do not depend on the width
    [(path, *look) for path in ("problems/", "problems/OVERDUE") for look in LOOKS]
    + [("docs/", *look) for look in LOOKS[1:3]],
)
def test_axe_has_nothing_against_a_page(browser: Pages, path: str, width: int, theme: str) -> None:
    browser.size(width)
    browser.prefer(theme)
    browser.driver.get(f"{browser.url}/{path}")
    browser.see("h1, h2.title")
    found = [] if path == "docs/" else browser.violations()
    if path == "docs/":
        browser.see(".opblock")
        for shut in browser.driver.find_elements(By.CSS_SELECTOR, f"{OPERATION}[aria-expanded=false]"):
            browser.script("arguments[0].click()", shut)
        browser.see(".opblock-body")
        browser.see(".try-out button").click()
        browser.see(".execute")
        found += browser.violations()
    assert browser.script("return document.documentElement.scrollWidth") <= width, "nothing is wider than the window"
    browser.photograph(f"intake-{path.replace('/', '-')}{theme}-{width}")
    assert sorted(set(found)) == []
