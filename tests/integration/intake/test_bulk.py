"""POST /v1/document-requests/bulk: each line as the single call would have answered."""

from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.integration.intake.conftest import ReferenceDataServer, a_request, count_rows

PATH = "/v1/document-requests"

MIXED = [
    a_request("A", document_metadata=None),
    a_request("B", priority="HIGH"),
    a_request("A", document_metadata=[]),  # the same as the first
    a_request("B", priority="LOW"),  # the id is taken by the second
    a_request("C", document_type="NONSENSE", colour="red"),
    a_request("C"),  # the id is still free: the line before was refused
    "no request at all",
    a_request("D", document_content={"a": "\0"}),
]


def test_each_line_is_answered_as_the_single_call_would_have_been(
    cibt: FlaskClient, arcade: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    bulk = cibt.post(f"{PATH}/bulk", json=MIXED).json
    assert [line["status"] for line in bulk["results"]] == [202, 202, 200, 409, 422, 202, 422, 422]
    assert (bulk["accepted"], bulk["replayed"], bulk["rejected"]) == (3, 1, 4)
    for line, sent in zip(bulk["results"], MIXED, strict=True):
        single = arcade.post(PATH, json=sent)
        assert single.status_code == line["status"]
        assert _comparable(single.json) == _comparable(line["body"])
        assert ("request_id" in line) == (line["status"] in (200, 202))
    assert db.execute("SELECT source_system, count(*) FROM document_requests GROUP BY 1 ORDER BY 1").fetchall() == [
        ("ARCADE", 3),
        ("CIBT", 3),
    ]


def _comparable(body: Any) -> Any:
    """Without what must differ between two calls and two source systems."""
    own = ("request_id", "source_system", "created_at")
    return {name: _comparable(value) if name == "request" else value for name, value in body.items() if name not in own}


def test_lines_are_compared_with_what_is_stored(cibt: FlaskClient) -> None:
    cibt.post(PATH, json=a_request("A"))
    results = cibt.post(f"{PATH}/bulk", json=[a_request("A"), a_request("A", priority="LOW"), a_request("B")]).json[
        "results"
    ]
    assert [line["status"] for line in results] == [200, 409, 202]


def test_500_are_taken_and_501_are_too_many(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    many = [a_request(f"R{number}") for number in range(501)]
    answer = cibt.post(f"{PATH}/bulk", json=many)
    assert (answer.status_code, answer.json["type"]) == (413, "/problems/too-large")
    assert count_rows(db) == 0
    answer = cibt.post(f"{PATH}/bulk", json=many[:500])
    assert answer.json["accepted"] == 500
    stored = [line["body"]["request_correlation_id"] for line in answer.json["results"]]
    assert stored == [request["request_correlation_id"] for request in many[:500]]
    shown = cibt.get(f"{PATH}/{answer.json['results'][250]['request_id']}").json
    assert shown == answer.json["results"][250]["body"]


def test_nothing_to_do(cibt: FlaskClient) -> None:
    answer = cibt.post(f"{PATH}/bulk", json=[])
    assert answer.json == {"results": [], "accepted": 0, "replayed": 0, "rejected": 0}


@pytest.mark.parametrize(
    ("body", "status"), [(b"{", 400), (b"{}", 422), (b"null", 422), (b" " * 8_388_609, 413), (b"[" * 99_999, 422)]
)
def test_a_call_that_is_bad_as_a_whole(
    cibt: FlaskClient, db: psycopg.Connection[Any], body: bytes, status: int
) -> None:
    answer = cibt.post(f"{PATH}/bulk", data=body, content_type="application/json")
    assert answer.status_code == status
    assert count_rows(db) == 0


def test_nothing_is_stored_where_one_line_cannot_be_checked(
    cibt: FlaskClient, reference_data: ReferenceDataServer, db: psycopg.Connection[Any]
) -> None:
    reference_data.status = 500
    assert cibt.post(f"{PATH}/bulk", json=[a_request()]).status_code == 503
    assert count_rows(db) == 0


def test_500_that_are_larger_together_than_one_may_be(cibt: FlaskClient) -> None:
    letter = {"Text": "x" * 15_000}
    answer = cibt.post(f"{PATH}/bulk", json=[a_request(f"R{number}", document_content=letter) for number in range(500)])
    assert answer.json["accepted"] == 500


def test_a_line_has_the_single_calls_limit(cibt: FlaskClient) -> None:
    large = a_request("L", document_content={"Text": "x" * 1_048_576})
    assert cibt.post(PATH, json=large).status_code == 413
    results = cibt.post(f"{PATH}/bulk", json=[a_request("A"), large, a_request("B")]).json["results"]
    assert [line["status"] for line in results] == [202, 422, 202]
    assert results[1]["body"]["errors"] == [{"pointer": "", "detail": "is larger than 1048576 bytes"}]
