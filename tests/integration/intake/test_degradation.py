"""When something around the intake is slow or gone: 503 with Retry-After, quickly, and nothing is stored."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.intake.conftest import ReferenceDataServer, a_request, count_rows

PATH = "/v1/document-requests"
QUICKLY_SECONDS = 20  # pool and statement time-outs of these tests are 1 and 2 s


@contextmanager
def quickly() -> Iterator[None]:
    began_at = time.monotonic()
    yield
    assert time.monotonic() - began_at < QUICKLY_SECONDS


def assert_unavailable(answer: Any, what: str) -> None:
    assert (answer.status_code, answer.json["type"]) == (503, f"/problems/{what}-unavailable")
    assert int(answer.headers["Retry-After"]) > 0


def backend_pids(db: psycopg.Connection[Any]) -> list[int]:
    mine = "datname = current_database() AND application_name = 'oms-intake'"
    return [row[0] for row in db.execute(f"SELECT pid FROM pg_stat_activity WHERE {mine}").fetchall()]  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["gone", "broken", "nonsense"])
def test_reference_data_out_of_reach(
    cibt: FlaskClient, reference_data: ReferenceDataServer, db: psycopg.Connection[Any], how: str
) -> None:
    if how == "gone":
        reference_data.url = "http://127.0.0.1:1"
        cibt.application.extensions["oms"].reference_data._base_url = reference_data.url
    elif how == "broken":
        reference_data.status = 500
    else:
        reference_data.rows["SOURCE_SYSTEM"] = [None]
    with quickly():
        assert_unavailable(cibt.post(PATH, json=a_request()), "reference-data")
    assert count_rows(db) == 0
    assert cibt.get(PATH).status_code == 200  # reading needs none
    assert cibt.get("/readyz").status_code == 503


def test_what_is_remembered_of_the_reference_data_carries_on(
    make_intake: Any, intake_settings: Any, token: Any, reference_data: ReferenceDataServer
) -> None:
    client = make_intake(intake_settings.model_copy(update={"reference_data_stale_seconds": 60})).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token()}"
    assert client.post(PATH, json=a_request("R1")).status_code == 202
    reference_data.status = 500
    client.application.extensions["oms"].reference_data._fresh_seconds = 0.0  # from now on, all of it is stale
    assert client.post(PATH, json=a_request("R2")).status_code == 202
    assert_unavailable(client.post(PATH, json=a_request("R3", document_name="NEW")), "reference-data")


def test_a_pool_that_is_exhausted(
    make_intake: Any, intake_settings: Any, token: Any, oms_database_url: str, db: psycopg.Connection[Any]
) -> None:
    """Two connections, both waiting for a lock: the third call is told within a second, the first two within two."""
    intake: Flask = make_intake(intake_settings.model_copy(update={"intake_pool_size": 2}))
    headers = {"Authorization": f"Bearer {token()}"}
    assert intake.test_client().post(PATH, json=a_request("R0"), headers=headers).status_code == 202
    with psycopg.connect(oms_database_url) as locker, ThreadPoolExecutor(4) as pool, quickly():
        locker.execute("LOCK TABLE document_requests IN ACCESS EXCLUSIVE MODE")
        calls = [
            pool.submit(intake.test_client().post, PATH, json=a_request(f"R{number}"), headers=headers)
            for number in range(1, 5)
        ]
        for call in calls:
            assert_unavailable(call.result(), "database")
    assert db.execute("SELECT count(*) FROM document_requests").fetchone() == (1,)
    assert intake.test_client().post(PATH, json=a_request("R9"), headers=headers).status_code == 202


def test_a_server_that_was_restarted_is_not_noticed(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    """Its connections are dead, and the statement is sent again on a new one."""
    assert cibt.post(PATH, json=a_request("R1")).status_code == 202
    for pid in backend_pids(db):
        db.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert cibt.post(PATH, json=a_request("R2")).status_code == 202
    for pid in backend_pids(db):
        db.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert cibt.post(f"{PATH}/1/cancel").status_code == 200


def test_a_server_that_is_frozen(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    """It keeps the connection and never answers; no time-out of its own can end that."""
    assert cibt.post(PATH, json=a_request("R1")).status_code == 202
    frozen = backend_pids(db)
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        with quickly():
            assert_unavailable(cibt.post(PATH, json=a_request("R2")), "database")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert cibt.post(PATH, json=a_request("R3")).status_code == 202


def test_a_database_that_is_gone(make_intake: Any, intake_settings: Any, token: Any) -> None:
    intake = make_intake(intake_settings.model_copy(update={"database_url": "postgresql://x@127.0.0.1:1/x"}))
    headers = {"Authorization": f"Bearer {token()}"}
    for method, path in (
        ("POST", PATH), ("GET", PATH), ("GET", f"{PATH}/1"), ("POST", f"{PATH}/1/cancel"),
        ("GET", f"{PATH}/1/document"), ("POST", f"{PATH}/1/events/replay"), ("POST", f"{PATH}/cancel"),
        ("GET", "/v1/operations/1"),
    ):  # fmt: skip
        with quickly():
            answer = intake.test_client().open(path, method=method, json=a_request(), headers=headers)
            assert_unavailable(answer, "database")
    with quickly():
        for _ in range(40):  # an outage that is known is not waited for again and again
            assert_unavailable(intake.test_client().get(PATH, headers=headers), "database")
    ready = intake.test_client().get("/readyz")
    assert [fault["pointer"] for fault in ready.json["errors"]] == ["database"]
    assert intake.test_client().get("/healthz").status_code == 200
    metrics = intake.test_client().get("/metrics")
    assert (metrics.status_code, "oms_open_requests" in metrics.text) == (200, False)
