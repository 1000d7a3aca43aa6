"""A person at the browser: headless Chromium in front of the running system. Skipped where there is no Chromium.

Debian: apt-get install chromium chromium-driver. Screenshots are left in var/screenshots; docs/images holds some.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from selenium import webdriver
from selenium.common.exceptions import ElementClickInterceptedException, StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from include.local.part import NotReady
from include.local.supervisor import Supervisor
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
        self.driver, self.url, self.clicks = driver, url, 0

    def begin(self) -> None:
        """As at the start of a day: light, a large window, nothing said against the pages."""
        self.out()
        self.wide()
        self.theme("light")
        self.driver.get_log("browser")
        self.clicks = 0

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

        return wait_for(lambda: f"{css} with {text!r} on {self.driver.current_url}", look)

    def click(self, css: str, text: str = "") -> None:
        """As a person does: again, where the page has just drawn itself anew, and when what was in the way is gone."""

        def tried() -> bool:
            try:
                self.see(css, text).click()
            except ElementClickInterceptedException:
                ActionChains(self.driver).move_by_offset(0, 0).perform()
                return False
            except StaleElementReferenceException:
                return False
            return True

        wait_for(lambda: f"a click on {css} {text}", tried)
        self.clicks += 1

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The console's API, as its pages call it; what it answers as JSON, or the status where that says no."""
        self.open_console("systems")
        return self.driver.execute_async_script(
            """const [method, path, body, done] = arguments;
            fetch(`/oms/api/${path}`, {method, body: body === null ? undefined : JSON.stringify(body),
                  headers: {"Content-Type": "application/json", "X-OMS-Console": "1"}})
              .then(async (answer) => done(answer.ok ? await answer.json().catch(() => null) : answer.status))""",
            method,
            path,
            body,
        )

    def open_task_instance(self, it: dict[str, Any]) -> None:
        """The tab "Requests" of a mapped task instance."""
        where = f"/dags/{it['dag_id']}/runs/{quote(it['dag_run_id'])}/tasks/{it['task_id']}/mapped/{it['map_index']}"
        self.open(where)
        self.click("a[href$='/plugin/oms_task_instance']")
        self.into("Requests")

    def wide(self) -> None:
        """A window of a desk."""
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def phone(self) -> None:
        """A phone's, upright."""
        size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def theme(self, name: str) -> None:
        """As Airflow's own UI keeps it."""
        self.driver.execute_script("localStorage.setItem('theme', arguments[0])", name)

    def photograph(self, name: str) -> None:
        """Leave a picture of the window, when whatever moves has come to rest."""
        self.driver.execute_async_script(
            """const done = arguments[0];
            Promise.allSettled(document.getAnimations().map((it) => it.finished)).then(() => done());
            setTimeout(done, 1000);  // what turns for ever"""
        )
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def complaints(self) -> list[str]:
        """What the browser's console holds against the pages."""
        return [
            entry["message"]
            for entry in self.driver.get_log("browser")
            if entry["level"] == "SEVERE" and "/oms/" in entry["message"]
        ]


@pytest.fixture(scope="session")
def people(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Person]]:
    """Logs users in, each once and in a browser of their own."""
    known: dict[str, Person] = {}

    def logged_in(user: str) -> Person:
        if user not in known:
            known[user] = Person(_chromium(tmp_path_factory.mktemp(user)), client.env["AIRFLOW_URL"])
            known[user].log_in(user, client.passwords[user])
        return known[user]

    try:
        yield logged_in
    finally:
        for person in known.values():
            person.driver.quit()


@pytest.fixture
def person(people: Callable[[str], Person]) -> Callable[[str], Person]:
    """A user who begins the day."""

    def begun(user: str) -> Person:
        it = people(user)
        it.begin()
        return it

    return begun


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


@contextmanager
def without(client: Client, name: str) -> Iterator[None]:
    """One part of the system is down for a while; afterwards it is ready again."""
    settings = client.system.settings
    (part,) = (part for part in client.system.parts if part.name == name)
    supervisor = Supervisor(settings.var_dir, settings.log_dir)
    supervisor.halt(name)
    wait_for(lambda: f"the end of {name}", lambda: supervisor.states()[name].ended)
    try:
        yield
    finally:
        part.prepare()
        supervisor.launch(name)

        def is_ready() -> bool:
            with suppress(NotReady):
                part.probe()
                return True
            return False

        wait_for(lambda: f"{name} again", is_ready)
        part.when_ready()


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
