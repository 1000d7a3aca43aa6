"""The bad day under a real scheduler: it is killed in the middle of a bulk operation, and nothing is lost."""

from __future__ import annotations

import csv
import io
import os
import re
import signal
from collections.abc import Callable
from typing import Any

import psycopg

from include.local.supervisor import Supervisor
from tests.e2e.browser.conftest import Person
from tests.e2e.conftest import Client, wait_for

LogIn = Callable[[str], Person]

NUMBER = 120  # more than one person may act on alone
MADE = """
    WITH made AS (
        INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
            document_name, document_language, source_environment, client_subject, status, stage, revision, ended_at)
        SELECT 'CIBT', gen_random_uuid()::text, '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test', 'FAILED',
               'SUBMISSION', 1, now()
        FROM generate_series(1, %s) RETURNING request_id
    ), contents AS (
        INSERT INTO request_payloads SELECT request_id, '{"name": "Ada"}' FROM made
    )
    INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)
    SELECT request_id, 1, 1, 'SUBMISSION', 'VALIDATION_ERROR', 'the template has no date' FROM made
    RETURNING request_id
"""


def rows(client: Client, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """What a statement returns in the OMS Database."""
    with psycopg.connect(client.env["OMS_DATABASE_URL"]) as connection:
        cursor = connection.execute(statement, values or None)
        return cursor.fetchall() if cursor.description else []


def worked(client: Client, operation_id: int) -> tuple[int, str]:
    """How far the operation is, and its state."""
    found = rows(client, "SELECT worked, state FROM bulk_operations WHERE operation_id = %s", operation_id)
    return found[0][0], found[0][1]


def test_a_scheduler_that_is_killed_in_the_middle_of_a_bulk_operation_loses_nothing(
    client: Client, person: LogIn
) -> None:
    ids = [request_id for (request_id,) in rows(client, MADE, NUMBER)]
    operator = person("operator")
    operator.open_console("failures")
    operator.click(f"button[aria-label^='Retrigger these {NUMBER}']")
    operator.see("dialog .note.warn", "approval of a second person")
    rate = operator.see("#form-per_second")
    rate.clear()
    rate.send_keys("5")
    operator.see("#form-reason").send_keys("the template has a date now")
    operator.click("dialog button.main", "Retrigger")
    title = operator.see("h1", "waits for approval").text
    operation_id = int(re.findall(r"\d+", title)[0])

    admin = person("admin")
    admin.open_console(f"bulk/{operation_id}")
    admin.click("button", "Approve")
    admin.click("dialog button.main", "Approve")
    wait_for(lambda: "the first piece", lambda: worked(client, operation_id)[0] > 0)

    supervisor = Supervisor(client.system.settings.var_dir, client.system.settings.log_dir)
    before = supervisor.states()["scheduler"].pid
    os.killpg(before, signal.SIGKILL)  # with its workers and their tasks
    (part,) = (part for part in client.system.parts if part.name == "scheduler")
    done, state = worked(client, operation_id)
    assert (0 < done < NUMBER, state) == (True, "RUNNING")
    operator.open_console(f"bulk/{operation_id}")
    operator.see(".facts", f"of {NUMBER}")
    operator.out()
    operator.photograph("scheduler-killed")

    def is_back() -> bool:
        found = supervisor.states()["scheduler"]
        return found.state == "RUNNING" and found.pid != before

    wait_for(lambda: f"{part.name} again", is_back)
    # Its lease runs out in a minute; the rate is raised to end soon.
    rows(
        client,
        "UPDATE bulk_operations SET lease_until = now(), per_second = 1000 WHERE operation_id = %s",
        operation_id,
    )
    rows(client, "NOTIFY oms_bulk")
    wait_for(lambda: f"its end: {worked(client, operation_id)}", lambda: worked(client, operation_id)[1] == "DONE")
    told = rows(
        client,
        """SELECT count(*), count(DISTINCT request_id) FROM request_timeline
           WHERE event = 'RETRIGGERED' AND request_id = ANY (%s)""",
        ids,
    )
    assert told == [(NUMBER, NUMBER)], "each once"

    exported = client.airflow.get("/oms/api/actions.csv").text.removeprefix("\ufeff")
    mine = [
        (row["actor"], row["action"], row["number"], row["reason"])
        for row in csv.DictReader(io.StringIO(exported))
        if row["reason"] == "the template has a date now" or f"operation {operation_id}:" in row["subject"]
    ]
    assert mine[::-1] == [
        ("airflow:operator", "retrigger", str(NUMBER), "the template has a date now"),
        ("airflow:admin", "approve_operation", str(NUMBER), ""),
        ("airflow:operator", "end_operation", str(NUMBER), "the template has a date now"),
    ]

    # The next test finds no worker that still has these in its slice.
    under_way = """SELECT (SELECT count(*) FROM document_requests
                           WHERE request_id = ANY (%s) AND status IN ('QUEUED', 'PROCESSING')),
                          (SELECT count(*) FROM slices WHERE lease_until >= now())"""
    wait_for(
        lambda: f"the end of all: {rows(client, under_way, ids)}", lambda: rows(client, under_way, ids) == [(0, 0)]
    )
