"""A person at the browser: headless Chromium in front of the running system. Skipped where there is no Chromium.

Debian: apt-get install chromium chromium-driver. Screenshots are left in var/screenshots; docs/images holds some.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.e2e.conftest import Client, wait_for

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
SCREENSHOTS = Path("var/screenshots")
SWITCHES = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--window-size=1280,900",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say it once and clearly where the browser is missing."""
    if not (CHROMIUM and DRIVER):
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason="no browser: apt-get install chromium chromium-driver"))


class Person:
    """One user of Airflow's UI, logged in."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver, self.url = driver, url

    def log_in(self, user: str, password: str) -> None:
        """By Airflow's own form."""
        self.driver.get(f"{self.url}/auth/login?next={self.url}/")
        self.see("input[name=username]").send_keys(user)
        self.see("input[name=password]").send_keys(password)
        self.see("button[type=submit]").click()
        wait_for(lambda: "the login", lambda: "/auth/login" not in self.driver.current_url)

    def open(self, path: str) -> None:
        """A page of Airflow's."""
        self.driver.switch_to.default_content()
        self.driver.get(self.url + path)

    def open_console(self, path: str = "") -> None:
        """A page of the console, in its frame."""
        self.open(f"/plugin/oms/oms/{path}")
        self.into("OMS")

    def into(self, title: str) -> None:
        """Into a frame, until it shows something."""
        self.driver.switch_to.default_content()
        self.driver.switch_to.frame(self.see(f"iframe[title='{title}']"))
        self.see("#content > *")

    def out(self) -> None:
        """Back to Airflow around the frame."""
        self.driver.switch_to.default_content()

    def see(self, css: str, text: str = "") -> WebElement:
        """The first element that matches and holds the text, once there is one."""

        def look() -> WebElement | None:
            try:
                found = self.driver.find_elements(By.CSS_SELECTOR, css)
                return next((it for it in found if text in it.text and it.is_displayed()), None)
            except StaleElementReferenceException:
                return None

        return wait_for(lambda: f"{css} with {text!r} on {self.driver.current_url}", look, 30)

    def click(self, css: str, text: str = "") -> None:
        """As a person does: again, where the page has just drawn itself anew."""

        def tried() -> bool:
            try:
                self.see(css, text).click()
            except StaleElementReferenceException:
                return False
            return True

        wait_for(lambda: f"a click on {css} {text}", tried, 30)

    def theme(self, name: str) -> None:
        """As Airflow's own UI keeps it."""
        self.driver.execute_script("localStorage.setItem('theme', arguments[0])", name)

    def photograph(self, name: str) -> None:
        """Leave a picture of the window."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def complaints(self) -> list[str]:
        """What the browser's console holds against the pages."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "/oms/" in entry["message"]
        ]


@pytest.fixture
def person(client: Client, tmp_path: Path) -> Iterator[Callable[[str], Person]]:
    """Logs a user in, in a browser of their own."""
    opened: list[webdriver.Chrome] = []

    def logged_in(user: str) -> Person:
        driver = _chromium(tmp_path / user)
        opened.append(driver)
        made = Person(driver, client.env["AIRFLOW_URL"])
        made.log_in(user, client.passwords[user])
        return made

    try:
        yield logged_in
    finally:
        for driver in opened:
            driver.quit()


def _chromium(profile: Path) -> webdriver.Chrome:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for switch in (*SWITCHES, f"--user-data-dir={profile}"):
        options.add_argument(switch)
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


@contextmanager
def fate(client: Client, **told: Any) -> Iterator[None]:
    """What becomes of the next document at Thunderhead."""
    client.control(fates=[{"first_n": 1, **told}])
    try:
        yield
    finally:
        client.control()


def policy_request(client: Client, policy: str) -> int:
    """Hand a request for a policy in; its id."""
    answer = client.intake.post(
        "/v1/document-requests",
        json={
            "document_type": "INVOICE", "document_name": "IVZRECPA", "document_language": "EN",
            "source_environment": "DEV", "request_correlation_id": uuid4().hex, "document_content": {"name": "Ada"},
            "document_metadata": [{"key": "POLICY_ID", "value": policy}],
        },
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    return int(answer.json()["request_id"])
