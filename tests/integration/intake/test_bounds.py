"""What one call may cost, and what one source system may have in flight."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient

from include.oms.intake import finding
from include.oms.intake.bulkheads import Bulkheads, Kind
from include.oms.intake.json_text import MOST_BULK_VALUES
from include.oms.intake.refusals import MOST_FAULTS, TooManyCalls
from tests.integration.intake.conftest import a_request, count_rows

PATH = "/v1/document-requests"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (PATH, '{"document_metadata": [' + "{}," * 300_000 + "{}]}"),
        (PATH, "[" + '"",' * 300_000 + '""]'),
        (f"{PATH}/bulk", "[" + ",".join(["[" + "[]," * 2_000 + "[]]"] * 500) + "]"),
        (f"{PATH}/bulk", "[" + ",".join(['{"document_metadata": [' + "{}," * 2_000 + "{}]}"] * 500) + "]"),
    ],
    ids=["faults", "texts", "arrays", "bulk of faults"],
)
def test_a_budget_of_values_ends_before_they_are_made(
    cibt: FlaskClient, monkeypatch: pytest.MonkeyPatch, path: str, body: str
) -> None:
    monkeypatch.setattr("include.oms.intake.json_text._DECODER", None)  # not asked
    answer = cibt.post(path, data=body, content_type="application/json")
    assert (answer.status_code, len(answer.json["errors"])) == (422, 1)
    assert "has more than" in answer.json["errors"][0]["detail"]


def test_the_search_for_faults_ends_with_the_last_that_is_told(
    cibt: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("include.oms.intake.shape.pointer", lambda *path: seen.append(path) or f"/{path}")
    sent = a_request(document_metadata=[{} for _ in range(50)], **{f"x{n}": 1 for n in range(20_000)})
    answer = cibt.post(PATH, json=sent)
    assert len(answer.json["errors"]) == MOST_FAULTS
    assert answer.json["detail"] == "100 faults or more; errors lists the first 100"
    assert len(seen) <= MOST_FAULTS


def test_a_bulk_call_tells_a_bounded_number_of_faults(cibt: FlaskClient) -> None:
    bad = a_request(**{f"x{n}": 1 for n in range(100)})
    results = cibt.post(f"{PATH}/bulk", json=[bad] * 500).json["results"]
    assert [line["status"] for line in results] == [422] * 500
    told = [len(line["body"]["errors"]) for line in results]
    assert (told[0], told[-1]) == (100, 1)
    assert sum(told) < 6_000


def test_a_bulk_call_of_real_letters_is_within_its_budget(cibt: FlaskClient) -> None:
    letter = {"Lines": [{"Item": str(n), "Amount": "1,250.00"} for n in range(125)]}
    many = [a_request(f"R{n}", document_content=letter) for n in range(500)]
    assert len(json.dumps(many).encode()) < 8_388_608
    assert MOST_BULK_VALUES > 500 * 380
    assert cibt.post(f"{PATH}/bulk", json=many).json["accepted"] == 500


BAD_PAIRS = ["&".join(["metadata=FOOTER_ID:2"] * 50), "&".join(["metadata=FOOTER_ID:2"] * 2),
             "metadata=FOOTER_ID:2&metadata=FOOTER_ID:3", "&".join(f"metadata=K{n}:2" for n in range(6))]  # fmt: skip


@pytest.mark.parametrize("query", BAD_PAIRS)
def test_a_search_names_few_pairs_and_each_key_once(cibt: FlaskClient, query: str) -> None:
    answer = cibt.get(f"{PATH}?{query}")
    assert (answer.status_code, answer.json["errors"][0]["pointer"]) == (422, "?metadata")


def test_a_search_walks_the_rarest_pair(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    db.execute(
        """WITH made AS (
             INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
                 document_name, document_language, source_environment, client_subject)
             SELECT 'CIBT', 'R' || n, '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test' FROM generate_series(1, 3000) n
             RETURNING request_id)
           INSERT INTO request_metadata SELECT request_id, 'FOOTER_ID', '2' FROM made"""
    )
    db.execute("INSERT INTO request_metadata SELECT min(request_id), 'CUSTOMER_ID', '7' FROM document_requests")
    database = cibt.application.extensions["oms"].database
    rarest = finding._rarest_first(database, [("FOOTER_ID", "2"), ("CUSTOMER_ID", "7")])
    assert rarest == [("CUSTOMER_ID", "7"), ("FOOTER_ID", "2")]
    found = cibt.get(f"{PATH}?metadata=FOOTER_ID:2&metadata=CUSTOMER_ID:7").json["items"]
    assert [item["request_correlation_id"] for item in found] == ["R1"]


# -- Too wide -----------------------------------------------------------------------------------------------------


@pytest.fixture
def hasty(make_intake: Callable[..., Flask], intake_settings: Any, token: Callable[..., str]) -> FlaskClient:
    """An intake whose statements end at once."""
    client = make_intake(intake_settings.model_copy(update={"intake_statement_timeout_seconds": 0.05})).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token()}"
    return client


@pytest.mark.parametrize("path", [PATH, f"{PATH}/summary", f"{PATH}?metadata=FOOTER_ID:2", f"{PATH}?status=FAILED"])
def test_a_query_that_takes_too_long_is_told_how_to_be_narrowed(
    hasty: FlaskClient, oms_database_url: str, path: str
) -> None:
    with psycopg.connect(oms_database_url) as locker:
        locker.execute("LOCK TABLE document_requests IN ACCESS EXCLUSIVE MODE")
        answer = hasty.get(path)
    assert (answer.status_code, answer.json["type"]) == (422, "/problems/too-wide")
    assert "Retry-After" not in answer.headers
    assert {"?created_from", "?created_to"} <= {fault["pointer"] for fault in answer.json["errors"]}


def test_a_count_that_takes_too_long_withdraws_nothing(
    hasty: FlaskClient, oms_database_url: str, db: psycopg.Connection[Any]
) -> None:
    with psycopg.connect(oms_database_url) as locker:
        locker.execute("LOCK TABLE document_requests IN ACCESS EXCLUSIVE MODE")
        answer = hasty.post(f"{PATH}/cancel?dry_run=false&confirm_all=true")
    assert (answer.status_code, answer.json["type"]) == (422, "/problems/too-wide")
    assert db.execute("SELECT count(*) FROM bulk_operations").fetchone() == (0,)


@pytest.mark.parametrize("path", [f"{PATH}/1", f"{PATH}/1/timeline", f"{PATH}?request_correlation_id=R1"])
def test_what_cannot_be_narrower_is_an_outage(hasty: FlaskClient, oms_database_url: str, path: str) -> None:
    with psycopg.connect(oms_database_url) as locker:
        locker.execute("LOCK TABLE document_requests, request_timeline IN ACCESS EXCLUSIVE MODE")
        answer = hasty.get(path)
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/database-unavailable")


def test_a_summary_counts_so_many_and_no_more(cibt: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        cibt.post(PATH, json=a_request(f"R{number}"))
    monkeypatch.setattr(finding, "MOST_COUNTED", 3)
    assert cibt.get(f"{PATH}/summary").json["total"] == 3
    monkeypatch.setattr(finding, "MOST_COUNTED", 2)
    assert cibt.get(f"{PATH}/summary").json["type"] == "/problems/too-wide"
    assert cibt.get(f"{PATH}/summary?created_to=2020-01-01T00:00:00Z").json["total"] == 0


# -- Bulkheads ------------------------------------------------------------------------------------------------------


def test_a_source_system_never_has_all_threads() -> None:
    bulkheads = Bulkheads(threads=20, wait_seconds=0.01)
    for _ in range(16):
        bulkheads.begin("A")
    with pytest.raises(TooManyCalls):
        bulkheads.begin("A")
    bulkheads.begin("B")
    bulkheads.end("A")
    bulkheads.begin("A")


def test_a_source_system_has_its_places_of_a_kind_and_other_kinds_go_on() -> None:
    hasty = Bulkheads(threads=20, wait_seconds=0.01)
    with hasty.work(Kind.COSTLY, "A"):
        with pytest.raises(TooManyCalls), hasty.work(Kind.COSTLY, "A"):
            pass
        with hasty.work(Kind.COSTLY, "B"):
            with pytest.raises(TooManyCalls), hasty.work(Kind.COSTLY, "C"):
                pass
            with hasty.work(Kind.SEARCH, "A"):
                pass
    with hasty.work(Kind.COSTLY, "A"):  # what has failed to wait takes no place
        pass


def test_a_costly_call_waits_for_its_turn() -> None:
    bulkheads = Bulkheads(threads=20, wait_seconds=5)
    done = threading.Event()
    first = bulkheads.work(Kind.COSTLY, "A")
    first.__enter__()

    def second() -> None:
        with bulkheads.work(Kind.COSTLY, "A"):
            done.set()

    thread = threading.Thread(target=second)
    thread.start()
    assert not done.is_set()
    first.__exit__(None, None, None)
    assert done.wait(5)
    thread.join()


def test_too_many_calls_are_told_when_to_come_back(
    cibt: FlaskClient, intake: Flask, db: psycopg.Connection[Any]
) -> None:
    bulkheads: Bulkheads = intake.extensions["oms"].bulkheads
    for _ in range(64):
        bulkheads.begin("CIBT")
    for answer in (cibt.post(PATH, json=a_request()), cibt.get(PATH), cibt.post(f"{PATH}/bulk", json=[])):
        assert (answer.status_code, answer.json["type"]) == (429, "/problems/too-many-calls")
        assert answer.headers["Retry-After"] == "1"
    assert count_rows(db) == 0
    bulkheads.end("CIBT")
    assert cibt.post(PATH, json=a_request()).status_code == 202
    assert cibt.post(PATH, json={}).status_code == 422  # a refused call is over, too
    assert cibt.get(PATH).status_code == 200
