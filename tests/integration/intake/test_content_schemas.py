"""Contents are checked at the door, against the schema of their document name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.integration.intake.conftest import ReferenceDataServer, a_request, count_rows

pytestmark = pytest.mark.integration

PATH = "/v1/document-requests"
BORN = {"type": "object", "required": ["born"], "properties": {"born": {"type": "string", "format": "date"}}}
FINE, WRONG = {"born": "1815-12-10"}, {"born": "10 December", "secret": 1}
FAULT = {"pointer": "/document_content/born", "detail": "must be a valid date"}


@pytest.fixture
def db(oms_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(oms_database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def schema(reference_data: ReferenceDataServer) -> Iterator[Callable[..., None]]:
    """Sets the schema of IVZRECPA."""

    def put(schema: dict[str, Any] = BORN, mode: str = "refuse") -> None:
        reference_data.schemas["IVZRECPA"] = {"id": 1, "documentName": "IVZRECPA", "mode": mode, "schema": schema}

    return put


def test_a_content_that_breaks_its_schema_is_422_at_every_door(
    cibt: FlaskClient, schema: Callable[..., None], db: psycopg.Connection[Any]
) -> None:
    schema()
    wrong = a_request(document_content=WRONG)
    for path in (PATH, f"{PATH}?validate_only=true"):
        answer = cibt.post(path, json=wrong)
        assert (answer.status_code, answer.json["errors"]) == (422, [FAULT])
    bulk = cibt.post(f"{PATH}/bulk", json=[wrong, a_request("REQ-2", document_content=FINE)]).json
    assert [result["status"] for result in bulk["results"]] == [422, 202]
    assert bulk["results"][0]["body"]["errors"] == [FAULT]
    assert db.execute("SELECT request_correlation_id FROM document_requests").fetchall() == [("REQ-2",)]
    assert cibt.post(f"{PATH}?validate_only=true", json=a_request(document_content=FINE)).json == {"valid": True}


def test_another_document_is_not_held_against_the_schema(cibt: FlaskClient, schema: Callable[..., None]) -> None:
    schema()
    assert cibt.post(PATH, json=a_request(document_name="POSHOOFF", document_type="POLICY")).status_code == 202


def test_in_the_mode_warn_it_is_stored_counted_and_logged_without_its_content(
    cibt: FlaskClient, schema: Callable[..., None], logs: list[Any]
) -> None:
    schema(mode="warn")
    assert cibt.post(PATH, json=a_request(document_content=WRONG)).status_code == 202
    told = [line for line in logs if line["event"] == "content_breaks_schema"]
    assert [(line["document_name"], line["rules"]) for line in told] == [("IVZRECPA", ["/properties/born/format"])]
    assert "December" not in str(logs)
    assert "secret" not in str(logs)
    assert 'oms_intake_broken_contents_total{document_name="IVZRECPA",mode="warn"}' in cibt.get("/metrics").text


def test_what_is_stored_counts_though_a_schema_would_refuse_it_today(
    make_intake: Callable[..., Any], intake_settings: Any, token: Callable[..., str], schema: Callable[..., None]
) -> None:
    request = a_request(document_content=WRONG)
    headers = {"Authorization": f"Bearer {token()}"}
    assert make_intake(intake_settings).test_client().post(PATH, json=request, headers=headers).status_code == 202
    schema()
    today = make_intake(intake_settings).test_client()
    assert today.post(PATH, json=request, headers=headers).status_code == 200
    assert today.post(PATH, json=request | {"request_correlation_id": "NEW"}, headers=headers).status_code == 422


def test_a_flood_of_faults_ends_at_the_cap_of_the_door(
    cibt: FlaskClient, schema: Callable[..., None], db: psycopg.Connection[Any]
) -> None:
    schema({"items": {"type": "string"}, "additionalProperties": {"items": {"type": "string"}}})
    lines = [a_request(str(nth), document_content={"lines": list(range(300))}) for nth in range(100)]
    answer = cibt.post(PATH, json=lines[0])
    assert len(answer.json["errors"]) == 100
    results = cibt.post(f"{PATH}/bulk", json=lines).json["results"]
    assert {result["status"] for result in results} == {422}
    assert sum(len(result["body"]["errors"]) for result in results) == 5_000 + 50
    assert count_rows(db) == 0


def test_schemas_that_were_fetched_outlive_an_outage(
    cibt: FlaskClient, schema: Callable[..., None], reference_data: ReferenceDataServer
) -> None:
    schema()
    assert cibt.post(PATH, json=a_request(document_content=FINE)).status_code == 202
    reference_data.status = 503
    assert cibt.post(PATH, json=a_request("2", document_content=FINE)).status_code == 202
    assert cibt.post(PATH, json=a_request("3", document_content=WRONG)).status_code == 422
