"""What operators set in the browser: the settings of a document type, reference data."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By

from tests.e2e.browser.conftest import Person, policy_request
from tests.e2e.conftest import Client, wait_for

LogIn = Callable[[str], Person]


def gone(person: Person, css: str, text: str) -> None:
    """No element like that shows the text any more."""

    def look() -> bool:
        with suppress(StaleElementReferenceException):  # drawn anew as it is looked at
            return all(text not in it.text for it in person.driver.find_elements(By.CSS_SELECTOR, css))
        return False

    wait_for(lambda: f"the end of {css} with {text!r}", look)


def test_a_document_type_is_paused_and_let_go(client: Client, person: LogIn) -> None:
    operator = person("operator")
    operator.open_console("systems")
    operator.click("button", "Add a document type")
    operator.see("#form-document_type").send_keys("INVOICE")
    operator.click("dialog button.main", "Add")
    operator.see("h2", "Thunderhead, INVOICE")
    pause = "//section[.//h2[contains(., 'INVOICE')]]//button[contains(., 'Pause')]"
    operator.driver.find_element(By.XPATH, pause).click()
    operator.see("#form-why").send_keys("the template is being mended")
    operator.click("dialog button.main", "Pause")
    operator.see(".note.warn", "Paused by airflow:operator")
    request_id = policy_request(client, "P-paused")
    operator.out()
    operator.photograph("settings-of-a-document-type")
    assert client.get(request_id)["status"] == "QUEUED"
    operator.into("OMS")
    operator.click("button", "Remove")
    operator.click("dialog button.main", "Remove")
    gone(operator, "h2", "INVOICE")
    assert client.ended(request_id)["status"] == "COMPLETED"
    assert operator.complaints() == []


def test_a_value_is_added_and_ended(client: Client, person: LogIn) -> None:
    key = f"KEY_{uuid4().hex[:6].upper()}"
    admin = person("admin")
    admin.open_console("reference?type=METADATA_KEY")
    admin.click("button", "Add")
    admin.see("#form-refDataValue").send_keys(key)
    admin.click("dialog button.main", "Add")
    admin.see("table.cards td", key)
    admin.driver.find_element(By.XPATH, f"//tr[contains(., '{key}')]//button[contains(., 'End')]").click()
    admin.see("dialog", f"End {key} today?")
    admin.out()
    admin.photograph("end-a-value")
    admin.into("OMS")
    admin.click("dialog button.main", "End")
    gone(admin, "table.cards td", key)
    admin.see("table.cards td", "POLICY_ID")
    assert admin.complaints() == []


def test_the_charts_times_are_whole(client: Client, person: LogIn) -> None:
    operator = person("operator")
    for over in ("1h", "6h", "24h", "7d"):
        operator.open_console(f"?over={over}")
        operator.see(".chart")
        beyond = operator.driver.execute_script(
            """const chart = document.querySelector(".chart").getBoundingClientRect();
            return [...document.querySelectorAll(".chart text")].map((text) => text.getBoundingClientRect())
              .filter((text) => text.right > chart.right + 0.5 || text.left < chart.left - 0.5).length"""
        )
        assert beyond == 0, over
