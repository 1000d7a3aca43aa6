"""A bad day from its start to its end: thousands of requests, hundreds red in three groups, two operators."""

from __future__ import annotations

import asyncio
import csv
import io
import subprocess
import sys

import psycopg
import pytest
from selenium.webdriver.common.by import By

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.slices.claim import claim_slices
from include.oms.words.model import Job
from tests.integration.console.browser import Pages, needs_browser, wait_for
from tests.integration.console.conftest import Console, work

pytestmark = [needs_browser, pytest.mark.integration]

MADE = """
    WITH made AS (
        INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
            document_name, document_language, source_environment, client_subject, status, stage, revision, ended_at,
            attempts)
        SELECT %(client)s, gen_random_uuid()::text, '', 'LETTER', %(document)s, 'EN', 'DEV', 'test', %(status)s,
               'GENERATION', (%(status)s <> 'QUEUED')::integer, CASE WHEN %(status)s <> 'QUEUED' THEN now() END, 1
        FROM generate_series(1, %(number)s) RETURNING request_id
    ), contents AS (
        INSERT INTO request_payloads SELECT request_id, '{}' FROM made
    )
    INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)
    SELECT request_id, 1, 1, 'GENERATION', %(category)s, format(%(text)s, request_id) FROM made
    WHERE %(status)s = 'FAILED'
"""
GROUPS = [  # client, document, number, category, text
    ("CIBT", "POSHOOFF", 300, "VALIDATION_ERROR", "policy %s has no date"),
    ("ARCADE", "POSHOOFF", 200, "VALIDATION_ERROR", "policy %s has no date"),
    ("CIBT", "IVBRKCOM", 78, "PROCESSING_ERROR", 'page %s: "Ada" is too long'),
]
WORKER = """
import asyncio, sys
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.operators.bulk_operations import lease_operation, work_operation

async def main():
    connection = await database.connect(sys.argv[1], settings(), application_name="killed")
    async for piece in work_operation(connection, await lease_operation(connection), max_seconds=60):
        print(len(piece), flush=True)

asyncio.run(main())
"""


def make(
    db: psycopg.Connection, client: str, document: str, number: int, status: str, category: str = "", text: str = ""
) -> None:
    """So many requests that stand so."""
    values = {"client": client, "document": document, "number": number, "status": status, "category": category}
    db.execute(MADE, values | {"text": text})


def log_in(pages: Pages, name: str) -> None:
    """As another operator."""
    pages.driver.add_cookie({"name": "user", "value": name})


async def claimed(console: Console) -> dict[str, int]:
    """What one run of document_processing claims, by document."""
    async with await database.connect(console.url, settings(), application_name="test") as connection:
        await claim_slices(connection, Job.PROCESSING, "run", settings())
    in_hand = "SELECT document_name, count(*) FROM document_requests WHERE status = 'PROCESSING' GROUP BY document_name"
    return dict(console.db.execute(in_hand).fetchall())


def states(console: Console) -> dict[str, int]:
    """How many of the first group stand where."""
    query = """SELECT status, count(*) FROM document_requests
               WHERE source_system = 'CIBT' AND document_name = 'POSHOOFF' AND attempts = 1 AND stage <> 'ENRICHMENT'
                 AND request_id IN (SELECT request_id FROM request_errors) GROUP BY status"""
    return dict(console.db.execute(query).fetchall())


def test_a_bad_day_from_start_to_end(console: Console, pages: Pages) -> None:
    make(console.db, "CIBT", "IVZRECPA", 9_000, "COMPLETED")
    make(console.db, "CIBT", "POSHOOFF", 300, "QUEUED")
    make(console.db, "ARCADE", "IVZRECPA", 122, "QUEUED")
    for client, document, number, category, text in GROUPS:
        make(console.db, client, document, number, "FAILED", category, text)

    # 578 failures are three lines
    pages.open("failures")
    pages.see("table[aria-label='Failures in groups']")
    rows = [row.text for row in pages.driver.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert len(rows) == 3
    assert "policy # has no date" in rows[0]
    pages.photograph("one-template-fails")

    # a wrong template is held, and all else flows
    pages.open("search?document=POSHOOFF")
    pages.click("summary", "More")
    pages.click("button", "Hold all that match")
    pages.see("#form-reason").send_keys("the date is missing")
    pages.click("dialog button.main", "Hold")
    pages.see("table[aria-label='Holds'] td a", "300")
    pages.show("table[aria-label='Holds']")
    pages.photograph("wrong-letters-are-held")
    assert asyncio.run(claimed(console)) == {"IVZRECPA": 122}

    # released after mending
    pages.click("button", "Release")
    pages.see("#form-reason").send_keys("the date is back")
    pages.click("dialog button.main", "Release")
    pages.see("section", "Nothing is held")

    # one group is retriggered, with a second person's approval
    pages.open("failures")
    pages.click("tbody tr:first-child button", "Retrigger")
    pages.see("dialog .note.warn", "approval of a second person")
    pages.fill("#form-per_second", "20")
    pages.see("#form-reason").send_keys("the template is mended")
    pages.click("dialog button.main", "Retrigger")
    pages.see("h1", "Operation 1 waits for approval")
    assert states(console) == {"FAILED": 300}
    log_in(pages, "bob")
    pages.open("bulk/1")
    pages.click("button", "Approve")
    pages.click("dialog button.main", "Approve")
    pages.see("h1 .badge", "running")

    # its worker is killed in the middle
    with subprocess.Popen([sys.executable, "-c", WORKER, console.url], stdout=subprocess.PIPE) as worker:
        assert worker.stdout
        worker.stdout.readline()
        worker.kill()
    done = states(console)["QUEUED"]
    assert 0 < done < 300
    pages.see(".facts", f"{done} of 300")
    pages.photograph("bulk-operation")
    console.db.execute("UPDATE bulk_operations SET lease_until = now() - interval '1 second', per_second = 1000")
    asyncio.run(work(console))
    pages.see("h1 .badge", "done")
    assert states(console) == {"QUEUED": 300}
    retriggered = "SELECT count(*), count(DISTINCT request_id) FROM request_timeline WHERE event = 'RETRIGGERED'"
    assert console.db.execute(retriggered).fetchone() == (300, 300), "each once"

    # one is resolved
    pages.open("failures")
    pages.click("tbody tr:last-child button", "Resolve")
    pages.see("#form-reason").send_keys("sent by hand")
    pages.click("dialog button.main", "Resolve")
    pages.see("h1", "Operation 2")
    asyncio.run(work(console))
    pages.open("failures")
    wait_for("one group left", lambda: len(pages.driver.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1)
    pages.open()
    pages.see("a.tile.bad", "200")

    # the audit trail is exported, and complete
    pages.open("actions?action=retrigger")
    pages.click("details summary")
    pages.see("td", "the template is mended")
    pages.photograph("the-auditor-asks")
    exported = pages.driver.execute_async_script(
        "const done = arguments[0]; fetch('/oms/api/actions.csv').then((it) => it.text()).then(done)"
    )
    told = [
        (row["actor"], row["action"], row["number"], row["reason"]) for row in csv.DictReader(io.StringIO(exported))
    ]
    assert [it for it in told[::-1] if it[1] != "look_at_failures"] == [
        ("airflow:ada", "hold", "300", "the date is missing"),
        ("airflow:ada", "release", "300", "the date is back"),
        ("airflow:ada", "retrigger", "300", "the template is mended"),
        ("airflow:bob", "approve_operation", "300", ""),
        ("airflow:ada", "end_operation", "300", "the template is mended"),
        ("airflow:bob", "resolve", "78", "sent by hand"),
        ("airflow:bob", "end_operation", "78", "sent by hand"),
        ("airflow:bob", "export_actions", "", ""),
    ]
