"""A source system sees its own requests only; another's look as if they were not there. Every door is tried."""

import json
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"


@pytest.fixture
def foreign(arcade: FlaskClient) -> int:
    """A request of ARCADE's."""
    request_id: int = arcade.post(PATH, json=a_request("SECRET-1")).json["request_id"]
    return request_id


@pytest.mark.parametrize(
    "door", ["", "/timeline", "/content", "/content?format=json", "/content?format=xml", "/document", "/cancel"]
)
def test_another_systems_request_looks_as_if_it_were_not_there(cibt: FlaskClient, foreign: int, door: str) -> None:
    method = "POST" if door == "/cancel" else "GET"
    answers = [cibt.open(f"{PATH}/{request_id}{door}", method=method) for request_id in (foreign, foreign + 1000)]
    assert [answer.status_code for answer in answers] == [404, 404]
    told = [{k: v for k, v in answer.json.items() if k not in ("instance", "request_id")} for answer in answers]
    assert told[0] == told[1]
    headers = [{k for k, _ in answer.headers} for answer in answers]
    assert headers[0] == headers[1]


def test_a_foreign_cancel_changes_nothing(cibt: FlaskClient, foreign: int, db: psycopg.Connection[Any]) -> None:
    cibt.post(f"{PATH}/{foreign}/cancel")
    assert db.execute("SELECT status FROM document_requests").fetchone() == ("QUEUED",)
    assert db.execute("SELECT count(*) FROM final_events").fetchone() == (0,)


def test_lists_and_counts_end_at_the_wall(cibt: FlaskClient, foreign: int) -> None:
    mine = cibt.post(PATH, json=a_request("MINE")).json["request_id"]
    for query in (
        "",
        "?status=QUEUED",
        "?document_type=INVOICE",
        "?metadata=INVOICE_ID:490634",
        "?metadata=INVOICE_ID:490634&metadata=FOOTER_ID:2",
        "?created_from=2000-01-01T00:00:00Z",
        f"?cursor=c{foreign + 1000:x}",
        f"?metadata=INVOICE_ID:490634&cursor=c{foreign + 1000:x}",
    ):
        assert [item["request_id"] for item in cibt.get(PATH + query).json["items"]] == [mine]
    assert cibt.get(f"{PATH}?request_correlation_id=SECRET-1").json["items"] == []
    assert cibt.get(f"{PATH}/summary").json["total"] == 1


def test_correlation_ids_of_others_tell_nothing(cibt: FlaskClient, foreign: int) -> None:
    for path, body in (
        (f"{PATH}?validate_only=true", a_request("SECRET-1", document_content={})),
        (PATH, a_request("SECRET-1", document_content={})),
    ):
        assert cibt.post(path, json=body).status_code in (200, 202)
    answer = cibt.post(f"{PATH}/bulk", json=[a_request("SECRET-1", document_content={})])
    assert answer.json["replayed"] == 1
    assert "ARCADE" not in json.dumps(answer.json)
