"""What an operator does in the browser, from a policy's failed letter to its event on Kafka."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.e2e.browser.conftest import Person, fate, policy_request
from tests.e2e.conftest import Client, wait_for

HOSTILE = "<script>window.ran=1</script><img src=x onerror=window.ran=1>"

LogIn = Callable[[str], Person]


def failed(client: Client, policy: str, description: str = "the template needs a date of birth") -> int:
    """A request whose generation has failed for good."""
    with fate(client, status="FAILED", category="VALIDATION_ERROR", description=description):
        request_id = policy_request(client, policy)
        assert client.ended(request_id)["status"] == "FAILED"
    client.red_task_instance(request_id, "document_monitoring", "poll_slice")
    return request_id


def find(operator: Person, policy: str, request_id: int) -> None:
    """By the policy, in the search."""
    operator.open_console("search")
    operator.see("#metadata").send_keys(f"POLICY_ID:{policy}")
    operator.click("form.search button")
    operator.see("table.cards a", str(request_id))


def test_a_failed_request_is_found_understood_cleared_and_healed(client: Client, person: LogIn) -> None:
    policy = f"P-{uuid4().hex[:8]}"
    request_id = failed(client, policy)
    operator = person("operator")

    find(operator, policy, request_id)
    operator.photograph("search")
    operator.click("table.cards a.out", "poll_slice")
    operator.out()
    operator.see("h1, h2, div", "poll_slice")
    wait_for(lambda: "the task instance's page", lambda: "/mapped/" in operator.driver.current_url)
    operator.click("a[href$='/plugin/oms_task_instance']")
    operator.into("Requests")
    operator.see(".note.bad", "Clearing this task instance tries 1 request again")
    operator.see("details.error summary", "VALIDATION_ERROR")
    operator.out()
    operator.photograph("task-instance")

    operator.click("button[aria-label*='clear' i]")
    operator.see("[role=dialog] button:not(:disabled)", "Confirm")
    operator.photograph("clear")
    operator.click("[role=dialog] button", "Confirm")

    assert client.ended(request_id, revision=2)["status"] == "COMPLETED"
    assert [event["data"]["status"] for event in client.events_of(request_id, 2)] == ["FAILED", "COMPLETED"]
    operator.open_console(f"requests/{request_id}")
    operator.see(".badge", "COMPLETED")
    operator.see(".timeline", "RETRIGGERED by airflow:operator, by clearing")
    operator.photograph("request")
    assert operator.complaints() == []


def test_two_clicks_to_the_cause_and_four_to_retriggered(client: Client, person: LogIn) -> None:
    request_id = failed(client, f"P-{uuid4().hex[:8]}", "no such tariff")
    red = client.red_task_instance(request_id, "document_monitoring", "poll_slice")
    operator = person("operator")

    operator.open("/dags/document_monitoring")
    operator.click(f"a[href*='{red['dag_run_id']}'][href$='/tasks/poll_slice/mapped']")  # the red square
    operator.click("table a[href*='/mapped/']", "20")  # the slice, by its start
    operator.see("code, pre, div", f"request {request_id} FAILED at GENERATION: VALIDATION_ERROR")
    assert operator.clicks == 2
    operator.photograph("log")
    operator.click("button[aria-label*='clear' i]")
    operator.click("[role=dialog] button", "Confirm")
    assert operator.clicks == 4
    assert client.ended(request_id, revision=2)["status"] == "COMPLETED"


def test_a_runs_tab_is_two_clicks_from_the_grid(client: Client, person: LogIn) -> None:
    request_id = failed(client, f"P-{uuid4().hex[:8]}")
    red = client.red_task_instance(request_id, "document_monitoring", "poll_slice")
    operator = person("operator")
    operator.open("/dags/document_monitoring")
    operator.click(f"a[href$='{red['dag_run_id']}/']")  # the run's red bar
    operator.click("a[href$='/plugin/oms_dag_run']")
    operator.into("Requests")
    operator.see(".note.bad", "Clearing the 1 red task instance of this run tries 1 request again")
    operator.see("details.error summary", "VALIDATION_ERROR")
    assert operator.clicks == 2
    operator.out()
    operator.photograph("run")


def test_a_retrigger_from_the_console_names_its_operator(client: Client, person: LogIn) -> None:
    request_id = failed(client, "P-console")
    operator = person("operator")
    operator.open_console(f"requests/{request_id}")
    operator.click("button", "Retrigger")
    operator.click("dialog button.main", "Retrigger")
    operator.see("dialog", "retriggered")
    operator.photograph("retriggered")
    operator.click("dialog button.main", "Close")
    assert client.ended(request_id, revision=2)["status"] == "COMPLETED"
    operator.see(".timeline", "airflow:operator")


def test_a_look_at_the_payload_is_asked_for_and_kept(client: Client, person: LogIn) -> None:
    request_id = policy_request(client, "P-look")
    assert client.ended(request_id)["status"] == "COMPLETED"
    operator = person("operator")
    operator.open_console(f"requests/{request_id}")
    operator.see(".timeline", "COMPLETED")
    assert "Ada" not in operator.driver.find_element(By.TAG_NAME, "body").text
    operator.click("#data button", "Show JSON")
    operator.see("pre", "Ada")
    operator.see(".timeline", "LOOKED AT by airflow:operator")
    operator.click("#data button", "Download PDF")
    wait_for(lambda: "the second look", lambda: client.timeline(request_id).count("LOOKED_AT") == 2)


def test_a_viewer_reads_and_cannot_act(client: Client, person: LogIn) -> None:
    request_id = failed(client, "P-viewer")
    viewer = person("viewer")
    viewer.open_console(f"requests/{request_id}")
    viewer.see(".badge", "FAILED")
    viewer.see(".note.quiet", "Your role may not see them")
    buttons = [it.text for it in viewer.driver.find_elements(By.CSS_SELECTOR, "button")]
    assert not {"Retrigger", "Show JSON", "Withdraw"} & set(buttons)
    assert viewer.call("POST", "retriggers", {"request_ids": [request_id]}) == 403
    assert client.get(request_id)["status"] == "FAILED"


def test_a_script_in_an_error_text_does_not_run(client: Client, person: LogIn) -> None:
    request_id = failed(client, "P-hostile", HOSTILE)
    operator = person("operator")
    for path in (f"requests/{request_id}", f"search?request_id={request_id}", "retrying", ""):
        operator.open_console(path)
        if path.startswith("requests/"):
            operator.click("#data button", "Show error texts")
            operator.see("main", "<script>window.ran=1</script>")
        assert operator.driver.execute_script("return [window.ran, document.images.length]") == [None, 0]


def test_the_pages_look_right_light_and_dark(client: Client, person: LogIn) -> None:
    """Leaves the pictures that a person looks at."""
    request_id = failed(client, "P-pictures")
    operator = person("operator")
    for theme in ("light", "dark"):
        operator.theme(theme)
        for name, path, sign in (
            ("dashboard", "", ".health, .chart"), ("failed-request", f"requests/{request_id}", ".timeline"),
            ("retrying", "retrying", "h1"), ("systems", "systems", "section h2"), ("found", "search", "table.cards"),
            ("reference-data", "reference", "table.cards"),
        ):  # fmt: skip
            operator.open_console(path)
            for one in sign.split(", "):
                operator.see(one)
            is_dark = operator.driver.execute_script("return document.documentElement.classList.contains('dark')")
            assert is_dark == (theme == "dark")
            operator.out()
            operator.photograph(f"{name}-{theme}")
    assert operator.complaints() == []


def test_on_a_phone_nothing_leaves_the_page(client: Client, person: LogIn) -> None:
    with fate(client, status="STOPPED"):
        request_id = policy_request(client, "P-phone")
        assert client.ended(request_id)["status"] == "STOPPED"
    operator = person("operator")
    operator.phone()
    for name, path, sign in (
        ("dashboard", "", "table.cards"), ("search", "search?status=STOPPED&status=FAILED", "table.cards"),
        ("request", f"requests/{request_id}", ".timeline"), ("systems", "systems", "section h2"),
        ("reference", "reference", "table.cards"),
    ):  # fmt: skip
        operator.open_console(path)
        operator.see(sign)
        page = "document.documentElement"
        assert operator.driver.execute_script(f"return {page}.scrollWidth <= {page}.clientWidth"), name
        operator.out()
        operator.photograph(f"phone-{name}")


def test_a_selection_is_retriggered_by_keyboard(client: Client, person: LogIn) -> None:
    request_id = failed(client, "P-keyboard")
    operator = person("operator")
    operator.open_console(f"search?request_id={request_id}&status=FAILED&status=STOPPED")
    boxes = operator.driver.find_elements(By.CSS_SELECTOR, "form.search input[name=status]:checked")
    assert [box.get_attribute("value") for box in boxes] == ["FAILED", "STOPPED"]
    operator.see("table.cards th input").send_keys(Keys.SPACE)
    operator.see(".bar button:not(:disabled)", "Retrigger (1)").send_keys(Keys.ENTER)
    operator.see("dialog", "Retrigger 1 request?")
    operator.driver.switch_to.active_element.send_keys(Keys.TAB)
    operator.driver.switch_to.active_element.send_keys(Keys.ENTER)
    operator.see("dialog", "1 request done")
    operator.driver.switch_to.active_element.send_keys(Keys.ENTER)
    assert client.ended(request_id, revision=2)["status"] == "COMPLETED"
