"""Personal data stays where it is asked for: a marker is planted in each foreign field, and searched everywhere.

While a request has its content, the marker may be in the columns of ``CONTENT`` alone. Whoever reads them is audited,
or is the client itself, or the contract asks for it (the errors of the final event). After the retention it is nowhere.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from confluent_kafka import KafkaError

from include.jobs.kit import item_job
from include.jobs.testing import Airflow
from include.oms.base import database
from include.oms.ending.outbox import publish_waiting_events
from include.oms.items.item import Call, Item
from include.oms.testing.items import RunsOf
from include.oms.testing.made import days_ago, document
from include.oms.testing.outside import Answer, raw, served
from include.oms.testing.system import Oms
from include.oms.upkeep.housekeeping import erase_content
from include.oms.upkeep.reconciliation import reconcile
from include.oms.upkeep.window import Window

MARKER = "Jane Q. Marker"
COLUMNS = """SELECT table_name, column_name FROM information_schema.columns
             WHERE table_schema = 'public' ORDER BY table_name, column_name"""
CONTENT = {
    "document_requests.origin_user",
    "request_payloads.content",
    "request_metadata.value",
    "batch_payloads.xml",
    "request_errors.description",
    "request_timeline.detail",  # its keys description and origin_user, which the console leaves out
    "final_events.event",  # data.errors[].description: the contract asks for it
}


def says_it(status: int) -> Answer:
    """A problem document that quotes the request."""
    content = {"type": MARKER, "title": MARKER, "status": status, "detail": f"customer {MARKER} has no IBAN"}
    return raw(status, json.dumps(content).encode(), "application/problem+json")


async def found_in(oms: Oms) -> set[str]:
    """Every column that holds the marker."""
    found = set()
    for row in await oms.rows(COLUMNS):
        table, column = row["table_name"], row["column_name"]
        if await oms.rows(f"SELECT FROM {table} WHERE {column}::text LIKE %s LIMIT 1", f"%{MARKER}%"):
            found.add(f"{table}.{column}")
    return found


async def planted(oms: Oms, **columns: Any) -> int:
    """A request whose client says the marker wherever it can say anything."""
    (request_id,) = await oms.queued(1, origin_user=MARKER, **columns)
    await oms.connection.execute("INSERT INTO request_metadata VALUES (%s, 'CUSTOMER', %s)", (request_id, MARKER))
    await oms.connection.execute(
        "UPDATE request_payloads SET content = %s WHERE request_id = %s", (json.dumps({"name": MARKER}), request_id)
    )
    await oms.connection.execute(
        """INSERT INTO request_timeline (request_id, event, actor, detail)
           VALUES (%s, 'ACCEPTED', 'intake', jsonb_build_object('origin_user', %s::text))""",
        (request_id, MARKER),
    )
    return request_id


async def time_passes(oms: Oms, days: int = 100) -> None:
    await oms.connection.execute(
        "UPDATE document_requests SET ended_at = %s WHERE ended_at IS NOT NULL", (days_ago(days),)
    )


@pytest.mark.parametrize("category", ["VALIDATION_ERROR", "PROCESSING_ERROR", MARKER])
async def test_nothing_of_a_person_is_left(oms: Oms, category: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request_id = await planted(oms)
    for _ in range(oms.settings.max_attempts):
        await oms.run_processing()
        oms.thunderhead.end("FAILED", category=category, description=f"customer {MARKER} has no IBAN")
        await oms.due_now()
        await oms.run_monitoring()
        await oms.due_now()
    assert (await oms.request(request_id))["status"] == "FAILED"
    assert await found_in(oms) == CONTENT

    await time_passes(oms)
    assert await erase_content(oms.connection, oms.settings) == 1

    assert await found_in(oms) == set()
    assert MARKER not in caplog.text
    (row,) = await oms.rows("SELECT event FROM final_events")
    assert {error["description"] for error in row["event"]["data"]["errors"]} == {"erased"}, "the skeleton stays"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
async def test_what_thunderhead_answers_is_on_no_page_for_everybody(
    oms: Oms, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In every call: submit, look-up by name, poll, errors. All may read the reason of an outage and a slice's name."""
    caplog.set_level(logging.DEBUG)
    await planted(oms)
    oms.thunderhead.always = says_it(status)
    for _ in range(3):
        reports = await oms.run_processing()
        assert MARKER not in str([(it.stopped_early, it.red_label, it.counts) for it in reports])
        await oms.due_now()
    oms.thunderhead.always = None
    await oms.run_processing()
    oms.thunderhead.end("FAILED", category="PROCESSING_ERROR", description=MARKER)
    await oms.due_now()
    oms.thunderhead.poll_answers = [says_it(status)] * 20
    for report in await oms.run_monitoring():
        assert MARKER not in str(report.stopped_early)
    assert await found_in(oms) <= CONTENT
    assert MARKER not in caplog.text
    await oms.connection.execute("UPDATE document_requests SET status = 'FAILED', ended_at = now(), revision = 1")
    await time_passes(oms)
    await erase_content(oms.connection, oms.settings)
    assert await found_in(oms) == set()


async def test_what_the_reference_data_api_says_is_in_the_xml_alone(oms: Oms) -> None:
    await oms.queued(1, document_name="IVZRECPA")
    hostile = [
        [{"code": MARKER, "value": "1"}, {"code": MARKER, "value": "2"}],
        [{"code": MARKER, "value": 7}],
        [{"code": MARKER, "value": f"{MARKER}\x01"}],
        [{"code": "TOPIC_NAME", "value": MARKER}, {"code": "BATCH_CONFIG_ID", "value": "1"}],
        [{"code": "BATCH_CONFIG_ID", "value": MARKER}],
        {"title": MARKER},
    ]
    for number, rows in enumerate(hostile):
        await oms.queued(1, document_name=f"D{number}")
        oms.reference_data.answers[f"D{number}"] = raw(200, json.dumps(rows).encode())
    await oms.queued(1, document_name="D6")
    oms.reference_data.answers["D6"] = says_it(422)
    good = [{"code": "BATCH_CONFIG_ID", "value": "1"}, {"code": "SIGNEE_1", "value": MARKER}]
    oms.reference_data.answers["IVZRECPA"] = raw(200, json.dumps(good).encode())
    await oms.run_processing()
    statuses = await oms.rows("SELECT DISTINCT category FROM request_errors")
    assert [row["category"] for row in statuses] == ["CONFIGURATION_ERROR"]
    assert await found_in(oms) == {"batch_payloads.xml"}


async def test_what_kafka_says_of_an_event_is_no_reason(oms: Oms) -> None:
    """The reason is librdkafka's own text for the error's code, or the name of the exception."""

    class Refusing:
        def __init__(self, error: Exception | KafkaError) -> None:
            self.error = error

        def produce(self, topic: str, *, on_delivery: Any, **_: Any) -> None:
            if isinstance(self.error, Exception):
                raise self.error
            on_delivery(self.error, None)

        def poll(self, _: float) -> int:
            return 0

        def flush(self, _: float) -> int:
            return 0

    errors = [
        KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED, MARKER), KafkaError(KafkaError.MSG_SIZE_TOO_LARGE, MARKER),
        TypeError(MARKER), ValueError(MARKER),
    ]  # fmt: skip
    for error in errors:
        (request_id,) = await oms.queued()
        await oms.connection.execute(
            """INSERT INTO final_events (request_id, revision, event_id, event, topic)
               VALUES (%s, 1, event_uuid(%s, 1), '{}', %s)""",
            (request_id, request_id, f"t{request_id}"),
        )
        with database.connect_blocking(oms.url, oms.settings, application_name="test") as connection:
            done = publish_waiting_events(connection, lambda error=error: Refusing(error), oms.settings)  # type: ignore[misc]
        assert done.reason
        assert MARKER not in done.reason
    assert await found_in(oms) == set()


async def test_what_thunderhead_calls_a_batch_is_not_in_the_report(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    await oms.connection.execute("UPDATE thunderhead_batches SET status = 'COMPLETED', ended_at = now()")
    await oms.connection.execute("UPDATE document_requests SET status = 'COMPLETED', ended_at = now(), revision = 1")
    (batch,) = oms.thunderhead.batches
    oms.thunderhead.batches.append(batch | {"batchId": 99, "status": MARKER})
    for change in ({"status": MARKER}, {"batchName": MARKER}):
        batch |= change
        window = Window(days_ago(0.1), days_ago(-0.1))
        settings = oms.settings.model_copy(update={"reconciliation_calls_per_second": 1000})
        done = await reconcile(oms.connection, oms.thunderhead_client, window, settings)
        assert f"{request_id}" in done.report()
        assert MARKER not in done.report()


async def test_what_refuses_an_item_is_told_without_its_text(
    oms: Oms, items: RunsOf, caplog: pytest.LogCaptureFixture
) -> None:
    """The text is kept for an audited look, and erased with the content."""

    async def act(item: Item, call: Call) -> None:
        if item["number"] == 2:
            raise ValueError(f"no number: {item['name']}")
        await call("POST", "/x", json={"name": item.name})

    due = f"SELECT request_id, request_id AS number, '{MARKER}' AS name FROM document_requests"
    job = item_job("some_job", doc="Doc", schedule=None, system="THUNDERHEAD", connection="x", due=due, act=act,
                   look_up=None).job()  # fmt: skip
    for number in range(1, 4):
        await document(oms, number)
    runs = await items(job)
    runs.outside.answers = [says_it(422)]
    why = await runs.run()
    assert sorted(why)[0] == "request 1: answered 422"
    assert "ValueError in the code of some_job" in sorted(why)[1]
    assert MARKER not in str(why)
    assert MARKER not in caplog.text
    assert "ValueError at" in caplog.text
    assert await found_in(oms) == {"job_items.said", "job_items.data"}
    (look,) = await database.rows(oms.connection, "look_at_errors", request_id=1, actor="test")
    assert json.loads(look["content"])[0]["description"] == f"answered 422: {MARKER}: customer {MARKER} has no IBAN"

    await time_passes(oms)
    assert await erase_content(oms.connection, oms.settings) == 3
    assert await found_in(oms) == set()


async def test_what_a_retrigger_brings_after_the_erasure_is_erased_too(oms: Oms) -> None:
    request_id = await planted(oms)
    await oms.run_processing()
    oms.settings = oms.settings.model_copy(update={"overdue_seconds": 0.001, "max_attempts": 1})
    await oms.due_now()
    (report,) = await oms.run_monitoring()
    assert [end.category for end in report.red_ends] == ["OVERDUE"]
    await time_passes(oms)
    await erase_content(oms.connection, oms.settings)
    assert await found_in(oms) == set()

    (newest,) = await oms.rows("SELECT max(slice_id) AS slice_id FROM slices")
    oms.thunderhead.end("FAILED", category="PROCESSING_ERROR", description=MARKER)
    await oms.poll(newest["slice_id"], generation=1)
    assert (await oms.request(request_id))["status"] == "FAILED"
    assert MARKER in str(await oms.rows("SELECT description FROM request_errors"))
    await time_passes(oms)
    assert await erase_content(oms.connection, oms.settings) == 1
    assert await found_in(oms) == set()


async def test_what_an_earlier_release_erased_is_erased_once_more_and_then_never_looked_at(oms: Oms) -> None:
    """It left the texts from outside. A pass looks at those requests, in chunks, and keeps how far it is."""
    ids = [await planted(oms) for _ in range(5)]
    oms.thunderhead.always = says_it(422)
    await oms.run_processing()
    await time_passes(oms)
    for table in ("request_payloads", "request_metadata", "batch_payloads"):
        await oms.connection.execute(f"DELETE FROM {table}")
    await oms.connection.execute("UPDATE document_requests SET erased_at = ended_at")
    await oms.connection.execute("UPDATE erasures_to_check SET next_id = 1, last_id = %s", (ids[3],))
    assert await found_in(oms) == CONTENT - {"request_payloads.content", "request_metadata.value", "batch_payloads.xml"}

    assert await erase_content(oms.connection, oms.settings, chunk=2) == 4
    left = await oms.rows("SELECT request_id FROM document_requests WHERE origin_user IS NOT NULL")
    assert [row["request_id"] for row in left] == [ids[4]], "what this release erased is not looked at"
    assert await oms.rows("SELECT next_id > last_id AS done FROM erasures_to_check") == [{"done": True}]
    assert await erase_content(oms.connection, oms.settings) == 0


@pytest.mark.parametrize("kafka_bootstrap", ["wheel"], indirect=True)  # Airflow learns the same of any broker
async def test_airflow_learns_nothing_of_a_person(
    oms: Oms, airflow_runs: Airflow, kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Runs of both jobs, the watchdog, the retrigger and the housekeeping: their logs and all tables of Airflow."""
    await planted(oms)
    rejected = await planted(oms)
    oms.settings = oms.settings.model_copy(update={"max_attempts": 1})
    told: list[str] = []

    async def hear(request: web.Request) -> web.Response:
        told.append(await request.text())
        return web.Response()

    alerts = web.Application()
    alerts.router.add_post("/", hear)
    async with served(oms.reference_data.app()) as reference_data_url, served(alerts) as alerts_url:
        airflow_runs.connect_database(oms.url)
        airflow_runs.connect("thunderhead_api", conn_type="http", host=oms.thunderhead_url)
        airflow_runs.connect("reference_data_api", conn_type="http", host=reference_data_url)
        airflow_runs.connect("oms_alerts", conn_type="http", host=alerts_url)
        airflow_runs.connect("kafka_default", conn_type="kafka", extra={"bootstrap.servers": kafka_bootstrap})
        oms.thunderhead.submit_answers = [says_it(401), says_it(422)]
        logs = [(await airflow_runs.run("document_processing", slice_seconds=0, max_attempts=1)).log]
        await oms.due_now()
        logs.append((await airflow_runs.run("document_processing", slice_seconds=0, max_attempts=1)).log)
        oms.thunderhead.end("FAILED", category="VALIDATION_ERROR", description=MARKER)
        await oms.due_now()
        logs.append((await airflow_runs.run("document_monitoring", slice_seconds=0, max_attempts=1)).log)
        statuses = {row["status"] for row in await oms.rows("SELECT status FROM document_requests")}
        assert statuses == {"FAILED"}, logs[-1]
        form = {"request_ids": str(rejected), "per_second": 10, "dry_run": False}
        for dag, params in (("oms_watchdog", None), ("document_retrigger", form), ("oms_housekeeping", None)):
            logs.append((await airflow_runs.run(dag, params)).log)
    assert all(MARKER not in log for log in logs)
    assert told, "an alert was sent"
    assert MARKER not in str(told)
    assert await found_in(oms) <= CONTENT
    with sqlite3.connect(tmp_path / "airflow.db") as airflow:
        dump = "\n".join(airflow.iterdump())
    assert "process_slice" in dump
    assert MARKER not in dump, "no run's conf, XCom, rendered field or log entry"
