"""A clear has one number: in the tab, in the task instance's name in Airflow, and in the log."""

from __future__ import annotations

import re
from collections.abc import Callable

from selenium.webdriver.common.by import By

from tests.e2e.browser.conftest import Person, fate, policy_request
from tests.e2e.conftest import Client, wait_for

LogIn = Callable[[str], Person]


def test_the_number_of_a_clear_is_one_number_in_the_tab_in_airflows_dialog_and_in_the_log(
    client: Client, person: LogIn
) -> None:
    with fate(client, status="FAILED", category="VALIDATION_ERROR", description="no such tariff"):
        ids = [policy_request(client, "P-number") for _ in range(3)]
        for request_id in ids:
            assert client.ended(request_id)["status"] == "FAILED"
    red = client.red_task_instance(ids[-1], "document_monitoring", "poll_slice")
    operator = person("operator")
    operator.open_task_instance(red)
    said = operator.see(".note.bad", "Clearing this task instance tries").text
    number = int(re.findall(r"tries (\d+) request", said)[0])
    listed = "table[aria-label='What a clear drives'] tbody tr"
    assert len(operator.driver.find_elements(By.CSS_SELECTOR, listed)) == number
    operator.out()
    operator.see("body", f"{number} FAILED: VALIDATION_ERROR IVZRECPA")  # the name of the task instance
    operator.click("button[aria-label*='clear' i]")
    operator.see("[role=dialog] button:not(:disabled)", "Confirm")
    operator.see("[role=dialog]", "Affected Tasks: 1")
    operator.photograph("one-number")
    operator.click("[role=dialog] button", "Confirm")
    for request_id in ids:
        if "RETRIGGERED" in client.timeline(request_id):
            assert client.ended(request_id, revision=2)["status"] == "COMPLETED"

    log = (
        f"/api/v2/dags/document_monitoring/dagRuns/{red['dag_run_id']}/taskInstances/poll_slice/logs/"
        f"{red['try_number'] + 1}?map_index={red['map_index']}&full_content=true"
    )
    wait_for(lambda: f"{number} retriggered in {log}", lambda: f"{number} retriggered" in client.airflow.get(log).text)
