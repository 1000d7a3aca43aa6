"""POST /v1/document-requests: one answer for each thing that can be right or wrong."""

import json
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from include.oms.intake.database import Database
from tests.integration.intake.conftest import ReferenceDataServer, a_request, count_rows

PATH = "/v1/document-requests"


def test_a_request_is_stored_with_all_its_parts(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    sent = a_request(priority="HIGH", not_before="2026-12-24T18:00:00+02:00")
    answer = cibt.post(PATH, json=sent, headers={"X-Origin-User": "Zoë", "traceparent": trace})
    assert answer.status_code == 202
    shown = answer.json
    assert answer.headers["Location"] == f"{PATH}/{shown['request_id']}"
    assert shown["not_before"] == "2026-12-24T16:00:00.000000Z"
    assert shown.items() >= {"status": "QUEUED", "priority": "HIGH", "attempts": 0, "batches": [], "errors": []}.items()
    row = db.execute(
        "SELECT source_system, client_subject, origin_user, traceparent, due_at = not_before, status, revision"
        " FROM document_requests WHERE request_id = %s",
        [shown["request_id"]],
    ).fetchone()
    assert row == ("CIBT", "developer", "Zoë", trace, True, "QUEUED", 0)
    assert cibt.get(answer.headers["Location"]).json == shown


def test_the_answer_is_what_get_gives(cibt: FlaskClient) -> None:
    for number, changes in enumerate(
        ({}, {"document_metadata": None}, {"priority": "LOW"}, {"not_before": "1999-01-01T00:00:00.1234567Z"})
    ):
        answer = cibt.post(PATH, json=a_request(f"R{number}", **changes))
        assert answer.status_code == 202
        assert cibt.get(answer.headers["Location"]).json == answer.json


def test_an_instant_long_past_does_not_jump_the_queue(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    cibt.post(PATH, json=a_request(not_before="1999-01-01T00:00:00Z"))
    assert db.execute("SELECT due_at = created_at FROM document_requests").fetchone() == (True,)


def test_the_same_again_is_answered_with_the_present_state(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    first = cibt.post(PATH, json=a_request())
    db.execute("UPDATE document_requests SET priority = 'LOW'")
    rows = count_rows(db)
    again = cibt.post(PATH, json=a_request(priority="NORMAL"))
    assert (again.status_code, again.json["priority"]) == (200, "LOW")
    assert again.headers["Location"] == first.headers["Location"]
    assert count_rows(db) == rows


def test_another_content_under_the_same_correlation_id(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    first = cibt.post(PATH, json=a_request())
    rows = count_rows(db)
    other = cibt.post(PATH, json=a_request(document_content={}))
    assert (other.status_code, other.json["type"]) == (409, "/problems/correlation-id-used")
    assert other.json["request"] == first.json
    assert count_rows(db) == rows


def test_two_source_systems_may_use_the_same_correlation_id(cibt: FlaskClient, arcade: FlaskClient) -> None:
    assert cibt.post(PATH, json=a_request()).status_code == 202
    assert arcade.post(PATH, json=a_request()).status_code == 202


def test_validate_only_answers_as_ever_and_stores_nothing(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    only = f"{PATH}?validate_only=true"
    answer = cibt.post(only, json=a_request())
    assert (answer.status_code, answer.json) == (200, {"valid": True})
    assert cibt.post(only, json=a_request(priority="X")).status_code == 422
    assert count_rows(db) == 0
    stored = cibt.post(f"{PATH}?validate_only=false", json=a_request())
    assert (stored.status_code, cibt.post(only, json=a_request()).json) == (202, stored.json)
    assert cibt.post(only, json=a_request(document_content={})).status_code == 409


@pytest.mark.parametrize("query", ["validate_only=yes", "validate_only=true&validate_only=true", "validateonly=true"])
def test_a_misspelled_parameter_is_told_and_stores_nothing(
    cibt: FlaskClient, db: psycopg.Connection[Any], query: str
) -> None:
    answer = cibt.post(f"{PATH}?{query}", json=a_request())
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, f"?{query.partition('=')[0]}")
    assert count_rows(db) == 0


BAD: dict[str, tuple[bytes | str, int, str]] = {
    "empty": (b"", 400, "malformed-json"),
    "no JSON": (b"{", 400, "malformed-json"),
    "no UTF-8": (b"\xff", 400, "malformed-json"),
    "NaN": (b'{"a": NaN}', 400, "malformed-json"),
    "twice": (b'{"a": 1, "a": 1}', 400, "malformed-json"),
    "no object": (b"[]", 422, "invalid-request"),
    "wrong type": (json.dumps(a_request(document_type=5)), 422, "invalid-request"),
    "unknown name": (json.dumps(a_request(document_name="LETTER")), 422, "invalid-request"),
    "unknown member": (json.dumps(a_request(colour="red")), 422, "invalid-request"),
    "NUL": (json.dumps(a_request(document_content={"a": "\0"})), 422, "invalid-request"),
    "NUL in the id": (json.dumps(a_request("a\0b")), 422, "invalid-request"),
    "NUL in metadata": (
        json.dumps(a_request(document_metadata=[{"key": "INVOICE_ID", "value": "\0"}])),
        422,
        "invalid-request",
    ),
    "half a pair": (json.dumps(a_request(document_content={"\ud800": 1})), 422, "invalid-request"),
    "bottomless": (b"[" * 100_000, 422, "invalid-request"),
    "2 MiB": (b"x" * 2_097_152, 413, "too-large"),
}


def test_a_bad_body(cibt: FlaskClient, db: psycopg.Connection[Any], logs: list[Any]) -> None:
    for name, (body, status, problem) in BAD.items():
        for path in (PATH, f"{PATH}?validate_only=true"):
            answer = cibt.post(path, data=body, content_type="application/json")
            assert (name, answer.status_code, answer.json["type"]) == (name, status, f"/problems/{problem}")
    assert count_rows(db) == 0
    assert not [line for line in logs if line["log_level"] == "error"]


def test_a_chunked_body_is_bounded_too(cibt: FlaskClient) -> None:
    def chunked(body: bytes) -> int:
        environ = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
        builder: Any = {"data": body, "content_type": "application/json", "environ_overrides": environ}
        return cibt.post(PATH, **builder).status_code

    assert chunked(json.dumps(a_request()).encode()) == 202
    assert chunked(json.dumps(a_request("R2")).encode() + b" " * 1_048_576) == 413


def test_the_largest_body_is_taken(cibt: FlaskClient) -> None:
    body = json.dumps(a_request(document_content={"a": ""}))
    body = body.replace('{"a": ""}', '{"a": "' + "x" * (1_048_576 - len(body)) + '"}')
    assert cibt.post(PATH, data=body, content_type="application/json").status_code == 202
    assert cibt.post(PATH, data=body + " ", content_type="application/json").status_code == 413


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Content-Type": ""},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_another_media_type(cibt: FlaskClient, headers: dict[str, str]) -> None:
    assert cibt.post(PATH, data=b"{}", headers=headers).status_code == 415


def test_a_charset_that_is_utf_8_is_taken(cibt: FlaskClient) -> None:
    body = json.dumps(a_request())
    assert cibt.post(PATH, data=body, content_type="application/json; charset=UTF-8").status_code == 202


def test_a_source_system_that_is_not_in_force(client_of: Any, db: psycopg.Connection[Any]) -> None:
    for path, body in ((PATH, a_request()), (f"{PATH}/bulk", [a_request()])):
        answer = client_of("NOBODY").post(path, json=body)
        assert (answer.status_code, answer.json["type"]) == (403, "/problems/unknown-source-system")
    assert count_rows(db) == 0


def test_a_value_added_to_the_reference_data_counts_at_once(
    cibt: FlaskClient, reference_data: ReferenceDataServer
) -> None:
    assert cibt.post(PATH, json=a_request(document_name="NEW")).status_code == 422
    reference_data.rows["DOCUMENT_NAME"].append("NEW")
    assert cibt.post(PATH, json=a_request(document_name="NEW")).status_code == 202


@pytest.mark.parametrize("name", ["\x1f" * 3, "x" * 256])
def test_an_origin_user_that_cannot_be_kept(cibt: FlaskClient, name: str) -> None:
    answer = cibt.post(PATH, json=a_request(), headers={"X-Origin-User": name})
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "X-Origin-User")


def test_a_bad_traceparent_is_ignored(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    assert cibt.post(PATH, json=a_request(), headers={"traceparent": "00-xyz"}).status_code == 202
    assert db.execute("SELECT traceparent FROM document_requests").fetchone() == (None,)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_another_method(cibt: FlaskClient, method: str) -> None:
    answer = getattr(cibt, method)(PATH)
    assert (answer.status_code, answer.json["type"]) == (405, "/problems/method-not-allowed")
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/v1/document-request", f"{PATH}/", f"{PATH}/x", f"{PATH}//1", "/v1", "/.env"])
def test_another_path(cibt: FlaskClient, path: str) -> None:
    assert cibt.get(path).status_code == 404


def test_the_call_id_is_taken_over_where_it_is_sane(cibt: FlaskClient) -> None:
    assert cibt.get(PATH, headers={"X-Request-Id": "abc-1"}).headers["X-Request-Id"] == "abc-1"
    for insane in ("a b", "x" * 65, "", "<script>", "a,b"):
        assert cibt.get(PATH, headers={"X-Request-Id": insane}).headers["X-Request-Id"] != insane


def test_what_is_logged_is_ids_alone(cibt: FlaskClient, logs: list[Any]) -> None:
    secret = a_request(
        "C-1",
        document_metadata=[{"key": "CUSTOMER_ID", "value": "confidential"}],
        document_content={"secret": "confidential"},
    )
    cibt.post(PATH, json=secret)
    cibt.post(PATH, json=secret | {"document_name": "confidential"})
    cibt.get(f"{PATH}?metadata=CUSTOMER_ID:confidential")
    text = json.dumps([line for line in logs if line["event"] == "call"])
    assert "confidential" not in text
    assert cibt.environ_base["HTTP_AUTHORIZATION"].split(".")[1] not in text
    first = next(line for line in logs if line["event"] == "call")
    assert first.keys() >= {"call_id", "client", "source_system", "request_id", "route", "status", "ms"}
    assert (first["client"], first["source_system"], first["status"]) == ("developer", "CIBT", 202)


def test_an_error_that_nobody_foresaw(
    intake: Flask, client_of: Any, logs: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("confidential")

    monkeypatch.setattr(Database, "rows", broken)
    intake.test_client_class = FlaskClient  # the contract knows of no 500
    answer = client_of().get(f"{PATH}/1")
    assert (answer.status_code, answer.json["type"]) == (500, "/problems/internal-error")
    assert "confidential" not in answer.text + json.dumps(logs)
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert (line["error"], line["call_id"]) == ("RuntimeError", answer.headers["X-Request-Id"])
