"""A correlation id makes one document, however many call at once."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.integration.intake.conftest import ReferenceDataServer, a_request, warm

PATH = "/v1/document-requests"
CLIENTS = 64


@pytest.fixture
def patient_intake(make_intake: Callable[..., Flask], intake_settings: Any, token: Callable[..., str]) -> Flask:
    """64 callers share 8 connections: on a busy machine that may take a while."""
    return warm(make_intake(intake_settings.model_copy(update={"intake_pool_timeout_seconds": 20})), token())


def fire(intake: Flask, token: str, calls: list[tuple[str, Any]]) -> list[Any]:
    """All calls at the same moment."""
    barrier = Barrier(len(calls))

    def call(path: str, body: Any) -> Any:
        client = intake.test_client()
        barrier.wait(10)
        return client.post(path, json=body, headers={"Authorization": f"Bearer {token}"})

    with ThreadPoolExecutor(len(calls)) as pool:
        return [answer.result() for answer in [pool.submit(call, *each) for each in calls]]


def rows(db: psycopg.Connection[Any]) -> list[int]:
    tables = ("document_requests", "request_payloads", "request_timeline")
    return [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]  # type: ignore[index,arg-type]


def test_the_same_64_times_at_once(
    patient_intake: Flask, token: Callable[..., str], db: psycopg.Connection[Any]
) -> None:
    answers = fire(patient_intake, token(), [(PATH, a_request())] * CLIENTS)
    assert Counter(answer.status_code for answer in answers) == {202: 1, 200: CLIENTS - 1}
    assert len({answer.json["request_id"] for answer in answers}) == 1
    assert rows(db) == [1, 1, 1]


def test_64_different_contents_at_once(
    patient_intake: Flask, token: Callable[..., str], db: psycopg.Connection[Any]
) -> None:
    calls = [(PATH, a_request(document_content={"n": number})) for number in range(CLIENTS)]
    answers = fire(patient_intake, token(), calls)
    assert Counter(answer.status_code for answer in answers) == {202: 1, 409: CLIENTS - 1}
    assert rows(db) == [1, 1, 1]


def test_bulk_calls_with_the_same_ids_in_another_order(
    patient_intake: Flask, token: Callable[..., str], db: psycopg.Connection[Any]
) -> None:
    many = [a_request(f"R{number}") for number in range(100)]
    calls = [(f"{PATH}/bulk", many[::step]) for step in (1, -1) * 8]
    answers = fire(patient_intake, token(), calls)
    assert [answer.status_code for answer in answers] == [200] * 16
    assert sum(answer.json["accepted"] for answer in answers) == 100
    assert sum(answer.json["replayed"] for answer in answers) == 1500
    assert rows(db) == [100, 100, 100]


def test_a_replay_after_the_end(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    first = cibt.post(PATH, json=a_request()).json["request_id"]
    cibt.post(f"{PATH}/{first}/cancel")
    again = cibt.post(PATH, json=a_request())
    assert (again.status_code, again.json["request_id"], again.json["status"]) == (200, first, "STOPPED")


ENDED = ["DOCUMENT_NAME IVZRECPA", "SOURCE_SYSTEM CIBT", "METADATA_KEY INVOICE_ID", "DOCUMENT_LANGUAGE EN", "all 500"]


@pytest.mark.parametrize("ended", ENDED)
def test_a_replay_is_answered_from_what_is_stored(
    make_intake: Callable[..., Flask],
    intake_settings: Any,
    token: Callable[..., str],
    reference_data: ReferenceDataServer,
    ended: str,
) -> None:
    """Whatever has become of the reference data, and in every way of asking; what is new is refused as ever."""
    app = make_intake(intake_settings)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token()}"
    first = client.post(PATH, json=a_request())
    assert first.status_code == 202
    kind, value = ended.split()
    if kind == "all":
        reference_data.status = int(value)
    else:
        reference_data.rows[kind].remove(value)
    app.extensions["oms"].reference_data._lists.clear()  # as if all that is cached were too old
    refused = {"SOURCE_SYSTEM": 403, "all": 503}.get(kind, 422)
    assert client.post(PATH, json=a_request()).json == first.json
    assert client.post(f"{PATH}?validate_only=true", json=a_request()).json == first.json
    bulk = client.post(f"{PATH}/bulk", json=[a_request(), a_request()])
    assert (bulk.status_code, bulk.json["replayed"]) == (200, 2)
    assert client.post(PATH, json=a_request("NEW")).status_code == refused
    assert client.post(PATH, json=a_request(priority="LOW")).status_code == refused
    mixed = client.post(f"{PATH}/bulk", json=[a_request(), a_request("NEW")])
    assert mixed.status_code == (200 if refused == 422 else refused)
    if refused == 422:
        assert [line["status"] for line in mixed.json["results"]] == [200, 422]
