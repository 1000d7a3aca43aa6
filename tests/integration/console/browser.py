"""The console's pages in a real browser: a console on loopback with a real database, and a headless Chromium.

Nothing of Airflow runs but its auth manager: a cookie says who is logged in. Debian: apt-get install chromium
chromium-driver; without them these tests are skipped.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.security import get_user
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from include.oms.testing.kafka import free_port
from plugins.oms_console.app import create_app

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
SCREENSHOTS = Path("var/screenshots/pages")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1440,900",
)  # fmt: skip
PATIENCE_SECONDS = 120
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no browser: apt-get install chromium chromium-driver"
)


def wait_for(what: str, look: Callable[[], Any]) -> Any:
    """What ``look`` sees, once that is something. Fails after ``PATIENCE_SECONDS``."""
    until = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < until, f"no {what}"
        time.sleep(0.05)
    return seen


class Pages:
    """One person at the console."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def log_in(self, role: str | None) -> None:
        """As somebody who has this role; as nobody."""
        if not self.driver.current_url.startswith(self.url):
            self.driver.get(f"{self.url}/oms/static/icon.svg")
        self.driver.delete_all_cookies()
        if role:
            self.driver.add_cookie({"name": "role", "value": role})

    def open(self, path: str = "") -> None:
        """A page of the console, once it shows something."""
        self.driver.get(f"{self.url}/oms/{path}")
        self.see("#content > *")

    def set(self, name: str, value: str | None) -> None:
        """What Airflow's own UI keeps in the browser: its theme, its time zone."""
        script = "arguments[1] === null ? localStorage.removeItem(arguments[0]) : localStorage.setItem(...arguments)"
        self.driver.execute_script(script, name, value)

    def look(self, css: str, text: str = "") -> WebElement | None:
        """The first element that matches and shows the text."""
        with suppress(StaleElementReferenceException):
            found = self.driver.find_elements(By.CSS_SELECTOR, css)
            return next((it for it in found if text in it.text and it.is_displayed()), None)
        return None

    def see(self, css: str, text: str = "") -> WebElement:
        """The same, once there is one."""
        found: WebElement = wait_for(f"{css} with {text!r} on {self.driver.current_url}", lambda: self.look(css, text))
        return found

    def show(self, css: str) -> None:
        """Scroll until it is in the middle of the window."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.see(css))

    def gone(self, css: str, text: str = "") -> None:
        """Wait until no such element is there any more."""
        wait_for(f"end of {css} with {text!r}", lambda: self.look(css, text) is None)

    def click(self, css: str, text: str = "") -> None:
        """Once it can be clicked."""

        def clicked() -> bool:
            with suppress(ElementClickInterceptedException, StaleElementReferenceException):
                self.see(css, text).click()
                return True
            return False

        wait_for(f"click on {css} with {text!r}", clicked)

    def fill(self, css: str, text: str) -> None:
        """Type into an empty field; a date or a time in the browser's own way."""
        field = self.see(css)
        script = """const [field, value] = arguments;
            field.value = value; field.dispatchEvent(new Event("input", {bubbles: true}))"""
        self.driver.execute_script(script, field, text)

    def script(self, text: str, *arguments: Any) -> Any:
        """What a script answers."""
        return self.driver.execute_script(text, *arguments)

    def module(self, name: str, text: str, *arguments: Any) -> Any:
        """What a script makes of one of the console's own modules, which it finds as ``it``."""
        return self.driver.execute_async_script(
            f"""const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);
            import("/oms/static/{name}").then((it) => {{ {text} }}).then(done, (error) => done("" + error))""",
            *arguments,
        )

    def size(self, width: int) -> None:
        """A window of that width; 390 is a phone."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, theme: str) -> None:
        """What the browser's system prefers: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def violations(self) -> list[str]:
        """What axe-core has against the page (WCAG 2.2 AA), a line each."""
        if not self.script("return typeof window.axe === 'object'"):
            self.driver.execute_script(AXE.read_text("utf-8"))
        found = self.driver.execute_async_script(
            "axe.run(document, {runOnly: arguments[0]}).then((it) => arguments[1](it.violations))", WCAG
        )
        return [f"{it['id']}: {node['html'][:150]}" for it in found for node in it["nodes"]]

    def photograph(self, name: str) -> None:
        """Leave a picture."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One browser for all tests of a session."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for switch in (*SWITCHES, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    driver.set_script_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture
def pages(console: Any, chromium: webdriver.Chrome) -> Iterator[Pages]:
    """The console of the fixture ``console`` in the browser, under /oms as Airflow has it; an op is logged in."""
    app = create_app()

    def user(request: Request) -> SimpleAuthManagerUser:
        if role := request.cookies.get("role"):
            return SimpleAuthManagerUser(username=request.cookies.get("user", "ada"), role=role)
        raise HTTPException(401, "Not authenticated")

    app.dependency_overrides[get_user] = user
    airflow = FastAPI(openapi_url=None)
    airflow.mount("/oms", app)
    airflow.add_api_route("/plugin/oms/oms/{path:path}", framed)
    with listening(airflow) as url:
        it = Pages(chromium, url)
        it.log_in("op")
        it.script("localStorage.clear()")
        it.size(1440)
        yield it
        chromium.get("about:blank")


def framed(path: str) -> HTMLResponse:
    """A page of the console in the frame that Airflow has around it."""
    sandbox = "allow-scripts allow-same-origin allow-forms"
    return HTMLResponse(f"<title>Airflow</title><iframe title=OMS sandbox='{sandbox}' src='/oms/{path}'></iframe>")


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """An ASGI application on a loopback port of its own; its base URL."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_for("server", lambda: server.started)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
