"""Finding requests: one, a page, all of them, their story and their content."""

from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"


@pytest.fixture
def ten(cibt: FlaskClient) -> list[int]:
    """Ten requests, oldest first: every second a POLICY, every third of customer 1, each with its own invoice."""
    ids = []
    for number in range(10):
        pairs = [{"key": "INVOICE_ID", "value": f"I:{number}"}]
        if number % 3 == 0:
            pairs.append({"key": "CUSTOMER_ID", "value": "1"})
        kind = "POLICY" if number % 2 else "INVOICE"
        sent = a_request(f"R{number}", document_type=kind, document_metadata=pairs)
        ids.append(cibt.post(PATH, json=sent).json["request_id"])
    return ids


def found(client: FlaskClient, query: str) -> list[int]:
    return [item["request_id"] for item in client.get(f"{PATH}?{query}").json["items"]]


@pytest.mark.parametrize("more", ["", "&status=QUEUED&status=FAILED", "&created_from=2020-01-01T00:00:00%2B01:00"])
def test_pages_hold_everything_once_newest_first(cibt: FlaskClient, ten: list[int], more: str) -> None:
    seen: list[int] = []
    cursor = ""
    for _ in range(4):
        page = cibt.get(f"{PATH}?limit=3{cursor}{more}").json
        seen += [item["request_id"] for item in page["items"]]
        cursor = f"&cursor={page['next_cursor']}"
    assert page["next_cursor"] is None
    assert seen == sorted(ten, reverse=True)


def test_the_last_page_is_known_as_such(cibt: FlaskClient, ten: list[int]) -> None:
    assert cibt.get(f"{PATH}?limit=10").json["next_cursor"] is None
    assert cibt.get(f"{PATH}?limit=9").json["next_cursor"] is not None


def test_a_page_by_metadata(cibt: FlaskClient, ten: list[int]) -> None:
    page = cibt.get(f"{PATH}?metadata=CUSTOMER_ID:1&limit=3").json
    assert [item["request_id"] for item in page["items"]] == [ten[9], ten[6], ten[3]]
    rest = cibt.get(f"{PATH}?metadata=CUSTOMER_ID:1&limit=3&cursor={page['next_cursor']}").json
    assert ([item["request_id"] for item in rest["items"]], rest["next_cursor"]) == ([ten[0]], None)


def test_filters(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    db.execute("UPDATE document_requests SET created_at = now() - interval '1 day' WHERE request_id = %s", [ten[4]])
    assert found(cibt, "document_type=POLICY") == ten[9::-2]
    assert found(cibt, "document_name=POSHOOFF") == []
    assert found(cibt, "request_correlation_id=R7") == [ten[7]]
    assert found(cibt, "metadata=INVOICE_ID:I:3&metadata=CUSTOMER_ID:1") == [ten[3]]
    assert found(cibt, "metadata=INVOICE_ID:I:4&metadata=CUSTOMER_ID:1") == []
    assert found(cibt, "metadata=CUSTOMER_ID:1&document_type=POLICY") == [ten[9], ten[3]]
    assert found(cibt, "status=STOPPED") == []
    yesterday = db.execute("SELECT utc_text(now() - interval '1 hour')").fetchone()
    assert yesterday
    assert found(cibt, f"created_to={yesterday[0]}") == [ten[4]]
    assert len(found(cibt, f"created_from={yesterday[0]}")) == 9


BAD_QUERIES = [
    "limit=0", "limit=501", "limit=x", "limit=", "limit=1&limit=2", "limit=1.0", "limit=%D9%A1", "cursor=", "cursor=x",
    "cursor=c0000000000000001", "cursor=c-1", "status=DONE", "status=queued", "metadata=KEY", "metadata=:v",
    "metadata=k:", "created_from=yesterday", "created_to=2026-01-01", "document_type=%00", "metadata=a:%00",
    "document_name=a&document_name=b", "stauts=FAILED", "x=%FF",
]  # fmt: skip


def test_a_bad_parameter_is_told(cibt: FlaskClient) -> None:
    for query in BAD_QUERIES:
        answer = cibt.get(f"{PATH}?{query}")
        assert (answer.status_code, answer.json["type"]) == (422, "/problems/invalid-request")
        assert answer.json["errors"][0]["pointer"] == f"?{query.partition('=')[0]}"


def test_all_bad_parameters_are_told(cibt: FlaskClient) -> None:
    answer = cibt.get(f"{PATH}?limit=0&status=X&cursor=y")
    assert [fault["pointer"] for fault in answer.json["errors"]] == ["?limit", "?status", "?cursor"]


@pytest.mark.parametrize("value", ["'; DROP TABLE document_requests; --", "%", "a:b'\"<&>", "%FF", "\U0001f600"])
def test_any_text_may_be_looked_for(cibt: FlaskClient, value: str) -> None:
    for name in ("document_type", "document_name", "request_correlation_id"):
        assert cibt.get(PATH, query_string={name: value}).json["items"] == []
    assert cibt.get(PATH, query_string={"metadata": f"CUSTOMER_ID:{value}"}).json["items"] == []


def test_there_is_no_such_request(cibt: FlaskClient) -> None:
    for request_id in (0, 99, 2**63 - 1, 2**63, 10**30):
        for door in ("", "/timeline", "/content", "/content?format=xml"):
            assert cibt.get(f"{PATH}/{request_id}{door}").status_code == 404
        assert cibt.post(f"{PATH}/{request_id}/cancel").status_code == 404


def test_summary(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    db.execute(
        "UPDATE document_requests SET status = 'FAILED', ended_at = now(), revision = 1, created_at = '2020-01-01'"
        " WHERE request_id = ANY (%s)",
        [ten[:3]],
    )
    statuses = {"QUEUED": 7, "PROCESSING": 0, "STOPPED": 0, "FAILED": 3, "COMPLETED": 0}
    assert cibt.get(f"{PATH}/summary").json == {"total": 10, "statuses": statuses}
    assert cibt.get(f"{PATH}/summary?created_from=2021-01-01T00:00:00Z").json["total"] == 7
    assert cibt.get(f"{PATH}/summary?created_to=2021-01-01T00:00:00Z").json["total"] == 3
    assert cibt.get(f"{PATH}/summary?created_to=then").status_code == 422


def test_a_request_with_a_past(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    """Batches and errors of its attempts, oldest first."""
    db.execute(
        """INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, ended_at)
           VALUES (%(id)s, 1, 'OMS-1-1', '1000', 'FAILED', now()),
                  (%(id)s, 2, 'OMS-1-2', '1000', 'PROCESSING_OMS', NULL)""",
        {"id": ten[0]},
    )
    db.execute(
        """UPDATE thunderhead_batches SET status = 'PROCESSING_THUNDERHEAD', thunderhead_batch_id = 7,
           next_poll_at = now(), submitted_at = now() WHERE attempt = 2"""
    )
    db.execute(
        """INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)
           VALUES (%s, 1, 1, 'GENERATION', 'PROCESSING_ERROR', 'it rained')""",
        [ten[0]],
    )
    shown = cibt.get(f"{PATH}/{ten[0]}").json
    assert [(batch["name"], batch["status"]) for batch in shown["batches"]] == [
        ("OMS-1-1", "FAILED"),
        ("OMS-1-2", "PROCESSING_THUNDERHEAD"),
    ]
    assert shown["batches"][1]["thunderhead_batch_id"] == 7
    assert [(error["stage"], error["category"]) for error in shown["errors"]] == [("GENERATION", "PROCESSING_ERROR")]


def test_timeline_is_oldest_first(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    db.execute(
        "INSERT INTO request_timeline (request_id, event, actor, detail)"
        " VALUES (%s, 'CLAIMED', 'document_processing', %s)",
        [ten[0], '{"slice": 1}'],
    )
    items = cibt.get(f"{PATH}/{ten[0]}/timeline").json["items"]
    assert [(item["event"], item["actor"], item["detail"]) for item in items] == [
        ("ACCEPTED", "client:developer", {}),
        ("CLAIMED", "document_processing", {"slice": 1}),
    ]


def test_a_request_whose_timeline_is_empty(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    db.execute("DELETE FROM request_timeline")
    assert cibt.get(f"{PATH}/{ten[0]}/timeline").json == {"items": []}


def test_content_is_what_was_sent_digit_by_digit(cibt: FlaskClient) -> None:
    content = '{ "n": [1.10, 1e400, 123456789012345678901234567890, -0], "z": 1, "a": "\\u00e9\\ud83d\\ude00" }'
    body = '{"document_content": %s, "document_type": "INVOICE", "document_name": "IVZRECPA", "document_language": "EN"'
    body += ', "source_environment": "DEV", "request_correlation_id": "R"}'
    request_id = cibt.post(PATH, data=body % content, content_type="application/json").json["request_id"]
    for query in ("", "?format=json"):
        assert cibt.get(f"{PATH}/{request_id}/content{query}").text == content
    assert cibt.get(f"{PATH}/{request_id}/content?format=pdf").status_code == 422


def test_content_as_thunderhead_got_it_last(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    assert cibt.get(f"{PATH}/{ten[0]}/content?format=xml").status_code == 404
    for attempt in (1, 2):
        db.execute(
            """WITH batch AS (
                 INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id, status, ended_at)
                 VALUES (%(id)s, %(n)s, 'B' || %(n)s, '1', 'FAILED', now()) RETURNING batch_key)
               INSERT INTO batch_payloads SELECT batch_key, '<document n="' || %(n)s || '"/>' FROM batch""",
            {"id": ten[0], "n": attempt},
        )
    answer = cibt.get(f"{PATH}/{ten[0]}/content?format=xml")
    assert (answer.mimetype, answer.text) == ("application/xml", '<document n="2"/>')


def test_content_that_was_erased(cibt: FlaskClient, ten: list[int], db: psycopg.Connection[Any]) -> None:
    db.execute("DELETE FROM request_payloads")
    assert cibt.get(f"{PATH}/{ten[0]}/content").status_code == 404
