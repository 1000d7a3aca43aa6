"""The situations of docs/operators.md, each with what the operator sees and does, and its picture.

The fourth and the fifth are in test_an_operators_day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.e2e.browser.conftest import Person, fate, policy_request, without
from tests.e2e.conftest import Client, wait_for

ENOUGH = 12  # requests: more than the failures in a row that open the breaker

LogIn = Callable[[str], Person]


def photograph(operator: Person, name: str, path: str, css: str, text: str) -> None:
    """A page of the console, light and dark, once it shows the sign."""
    for theme in ("dark", "light"):
        operator.theme(theme)
        operator.open_console(path)
        operator.see(css, text)
        if not path:
            operator.see(".chart")  # counts and health come by calls of their own
        operator.out()
        operator.photograph(f"{name}-{theme}")
    operator.into("OMS")


def in_database(client: Client, statement: str, *values: Any) -> int:
    """Make time pass: how many rows it was about."""
    with psycopg.connect(client.env["OMS_DATABASE_URL"]) as connection:
        return connection.execute(statement, values or None).rowcount


def test_1_thunderhead_is_down(client: Client, person: LogIn) -> None:
    operator = person("operator")
    client.control(outage={"mode": "refuse"})
    try:
        ids = [policy_request(client, "P-outage") for _ in range(ENOUGH)]
        operator.open_console()
        operator.see(".health.bad", "Thunderhead breaker open until")
        photograph(operator, "thunderhead-is-down", "", ".health.bad", "Thunderhead")
    finally:
        client.control()
    for request_id in ids:
        assert client.ended(request_id)["status"] == "COMPLETED"
    assert operator.complaints() == []


def test_2_the_reference_data_api_is_down(client: Client, person: LogIn) -> None:
    operator = person("operator")
    assert client.ended(policy_request(client, "P-before"))["status"] == "COMPLETED"
    with without(client, "reference-data"):
        request_id = policy_request(client, "P-reference")
        operator.open_console()
        operator.see(".health.bad", "Reference data does not answer (connection refused)")
        photograph(operator, "reference-data-is-down", "", ".health.bad", "Reference data")
    assert client.ended(request_id)["status"] == "COMPLETED"


@pytest.fixture
def no_configuration(person: LogIn) -> Iterator[None]:
    """Nothing says how invoices are made; afterwards there is what holds for all documents."""
    admin, kind = person("admin"), "reference/document-configurations"
    for row in admin.call("GET", kind):
        if row["code"] == "BATCH_CONFIG_ID" and row["appDocSpec"] in ("*", "IV"):
            admin.call("DELETE", f"{kind}/{row['id']}", {"seen": row})
    yield
    admin.call("POST", kind, {"footerId": "0", "appDocSpec": "*", "code": "BATCH_CONFIG_ID", "value": "1000"})


def test_3_a_configuration_is_missing(client: Client, person: LogIn, no_configuration: None) -> None:
    def failed() -> int | None:
        request_id = policy_request(client, "P-configuration")
        return request_id if client.ended(request_id)["status"] == "FAILED" else None

    request_id = wait_for(lambda: "a request for which there is no configuration", failed)
    red = client.red_task_instance(request_id, "document_processing", "process_slice")
    admin = person("admin")
    admin.open_task_instance(red)
    admin.see("details.error summary", "CONFIGURATION_ERROR")
    admin.click("details.error summary")
    admin.see("details.error p", "no BATCH_CONFIG_ID is in force")
    admin.out()
    admin.photograph("a-configuration-is-missing")

    admin.open_console("reference")
    admin.click("button", "Add")
    for name, value in (("footerId", "0"), ("appDocSpec", "IV"), ("code", "BATCH_CONFIG_ID"), ("value", "1200")):
        admin.see(f"#form-{name}").send_keys(value)
    admin.click("dialog button.main", "Add")
    admin.see("#said", "Added")
    client.clear(red)
    assert client.ended(request_id, revision=2)["status"] == "COMPLETED"


@contextmanager
def long_back_offs(client: Client) -> Iterator[None]:
    """Whatever has to wait for its next attempt waits as a later attempt does, and not the first one's few seconds."""
    put_off = """
        CREATE FUNCTION put_off() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN NEW.due_at := now() + interval '10 minutes'; RETURN NEW; END$$;
        CREATE TRIGGER put_off BEFORE UPDATE ON document_requests FOR EACH ROW
            WHEN (NEW.status = 'QUEUED' AND NEW.spent > OLD.spent) EXECUTE FUNCTION put_off();
    """
    in_database(client, put_off)
    try:
        yield
    finally:
        in_database(client, "DROP FUNCTION put_off CASCADE")


def test_6_a_flood_of_retries(client: Client, person: LogIn) -> None:
    operator = person("operator")
    with (
        long_back_offs(client),
        fate(client, category="TIMEOUT_ERROR", description="the template took longer than 30 s"),
    ):
        ids = [policy_request(client, "P-flood") for _ in range(ENOUGH)]
        waiting = "SELECT FROM document_requests WHERE request_id = ANY (%s) AND status = 'QUEUED' AND spent = 1"
        wait_for(lambda: f"{ENOUGH} that wait", lambda: in_database(client, waiting, ids) == ENOUGH)
        operator.open_console("retrying")
        operator.see("td[data-label=Waiting]", str(ENOUGH))
        photograph(operator, "a-flood-of-retries", "retrying", "td[data-label=Requests]", str(ENOUGH))
    operator.open_console("search?retrying=true")
    operator.click("table.cards th input")
    operator.click(".bar button:not(:disabled)", "Retry now")
    operator.see("#form-reason").send_keys("Thunderhead is well again")
    operator.click("dialog button.main", "Retry now")
    operator.see("dialog", f"{ENOUGH} requests done")
    operator.click("dialog button.main", "Close")
    for request_id in ids:
        assert client.ended(request_id)["status"] == "COMPLETED"


def test_7_a_batch_is_overdue(client: Client, person: LogIn) -> None:
    operator = person("operator")
    with fate(client, status="COMPLETED", generation_seconds=20):
        request_id = policy_request(client, "P-stuck")
        wait_for(lambda: "its submission", lambda: "SUBMITTED" in client.timeline(request_id))
    # Not while a worker holds it: that one writes what it knows itself, when it lets go.
    old = """UPDATE thunderhead_batches SET submitted_at = now() - interval '2 days', asked_seconds = 172800
             WHERE request_id = %s AND lease_token IS NULL"""
    wait_for(lambda: "a moment in which no worker holds it", lambda: in_database(client, old, request_id) == 1)
    assert client.ended(request_id)["status"] == "FAILED"
    red = client.red_task_instance(request_id, "document_monitoring", "poll_slice")
    photograph(operator, "overdue", f"requests/{request_id}", ".note.bad", "the same batch again")
    client.clear(red)
    ended = client.ended(request_id, revision=2)
    assert (ended["status"], ended["attempts"]) == ("COMPLETED", 1)


@contextmanager
def paused(operator: Person, system: str) -> Iterator[None]:
    """Nothing is claimed that needs the system."""

    def change(**changed: Any) -> None:
        (version,) = (
            row["version"]
            for row in operator.call("GET", "systems")
            if (row["system"], row["document_type"]) == (system, "*")
        )
        operator.call("PATCH", f"systems/{system}", {"version": version, **changed})

    change(paused=True, why="a test")
    try:
        yield
    finally:
        change(paused=False)


def test_8_what_was_stopped_is_driven_again_and_what_was_withdrawn_is_not(client: Client, person: LogIn) -> None:
    operator = person("operator")
    with fate(client, status="STOPPED"):
        stopped = policy_request(client, "P-stopped")
        assert client.ended(stopped)["status"] == "STOPPED"
    with paused(operator, "THUNDERHEAD"):
        withdrawn = policy_request(client, "P-stopped")
        assert client.intake.post(f"/v1/document-requests/{withdrawn}/cancel").status_code == 200

    operator.open_console("search?status=FAILED&status=STOPPED&metadata=POLICY_ID:P-stopped")
    operator.click("table.cards th input")
    operator.click(".bar button", "Retrigger (2)")
    operator.see("dialog", "left alone: it was withdrawn")
    operator.see("#form-reason").send_keys("wanted after all")
    operator.click("dialog button.main", "Retrigger")
    operator.see("dialog", "1 request done, 1 left alone")
    operator.out()
    operator.photograph("stopped-and-withdrawn")
    assert client.ended(stopped, revision=2)["status"] == "COMPLETED"
    assert client.get(withdrawn)["status"] == "STOPPED"
    assert "RETRIGGERED" not in client.timeline(withdrawn)


def test_9_kafka_is_down(client: Client, person: LogIn) -> None:
    operator = person("operator")
    with without(client, "kafka"):
        request_id = policy_request(client, "P-kafka")
        assert client.ended(request_id)["status"] == "COMPLETED"
        operator.open_console()
        operator.see(".health.bad", "Kafka does not answer")
        operator.see(".tile", "oldest")
        photograph(operator, "kafka-is-down", "", ".health.bad", "Kafka")
    (event,) = client.events_of(request_id, 1)
    assert event["data"]["status"] == "COMPLETED"


def test_10_a_red_square_whose_requests_are_healed(client: Client, person: LogIn) -> None:
    with fate(client, category="VALIDATION_ERROR", description="no such tariff"):
        request_id = policy_request(client, "P-healed")
        assert client.ended(request_id)["status"] == "FAILED"
    red = client.red_task_instance(request_id, "document_monitoring", "poll_slice")
    operator = person("operator")
    operator.call("POST", "retriggers", {"request_ids": [request_id]})
    assert client.ended(request_id, revision=2)["status"] == "COMPLETED"
    operator.open_task_instance(red)
    operator.see(".note.good", "A clear drives no request")
    operator.out()
    operator.photograph("nothing-needs-a-person")
