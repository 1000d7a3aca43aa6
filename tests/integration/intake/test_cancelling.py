"""POST .../cancel: only what nobody has taken up is withdrawn, with its final event, once."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

import include
from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"


@pytest.fixture
def queued(cibt: FlaskClient) -> int:
    request_id: int = cibt.post(PATH, json=a_request()).json["request_id"]
    return request_id


def events(db: psycopg.Connection[Any]) -> list[Any]:
    return [row[0] for row in db.execute("SELECT event FROM final_events ORDER BY event_seq").fetchall()]


def test_a_queued_request_is_withdrawn_with_its_final_event(
    cibt: FlaskClient, queued: int, db: psycopg.Connection[Any]
) -> None:
    answer = cibt.post(f"{PATH}/{queued}/cancel")
    assert (answer.status_code, answer.json["status"], answer.json["revision"]) == (200, "STOPPED", 1)
    assert [error["category"] for error in answer.json["errors"]] == ["CANCELLED"]
    (event,) = events(db)
    schema = json.loads((Path(include.__path__[0]) / "contracts/final-status-event.schema.json").read_text())
    Draft202012Validator(schema).validate(event)
    assert event["data"]["status"] == "STOPPED"
    last = cibt.get(f"{PATH}/{queued}/timeline").json["items"][-1]
    assert (last["event"], last["actor"], last["detail"]["category"]) == ("STOPPED", "client:developer", "CANCELLED")


def test_twice_is_harmless(cibt: FlaskClient, queued: int, db: psycopg.Connection[Any]) -> None:
    first, second = (cibt.post(f"{PATH}/{queued}/cancel") for _ in range(2))
    assert (second.status_code, second.json) == (200, first.json)
    assert len(events(db)) == 1
    trail = db.execute("SELECT actor, door, action, request_id, number FROM operator_actions").fetchall()
    assert trail == [("client:developer", "api", "withdraw", queued, 1)]


SLICE = "INSERT INTO slices (job, dag_run_id, ordinal, label, size) VALUES ('document_processing', 'r', 0, 'x', 1)"
LATER = {
    "leased": SLICE
    + """; UPDATE document_requests SET status = 'PROCESSING', lease_token = 1, lease_until = now(),
           slice_id = (SELECT max(slice_id) FROM slices)""",
    "at Thunderhead": "UPDATE document_requests SET status = 'PROCESSING', stage = 'GENERATION'",
    "completed": "UPDATE document_requests SET status = 'COMPLETED', ended_at = now(), revision = 1",
    "failed": "UPDATE document_requests SET status = 'FAILED', ended_at = now(), revision = 1",
    "stopped at Thunderhead": "UPDATE document_requests SET status = 'STOPPED', ended_at = now(), revision = 1",
    "perhaps submitted": """INSERT INTO thunderhead_batches (request_id, attempt, batch_name, batch_config_id)
                            SELECT request_id, 1, 'B', '1' FROM document_requests""",
}


@pytest.mark.parametrize("state", LATER)
def test_too_late(cibt: FlaskClient, queued: int, db: psycopg.Connection[Any], state: str) -> None:
    for statement in LATER[state].split(";"):
        db.execute(statement)  # type: ignore[arg-type]
    before = cibt.get(f"{PATH}/{queued}").json
    answer = cibt.post(f"{PATH}/{queued}/cancel")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/too-late-to-cancel")
    assert answer.json["request"] == before == cibt.get(f"{PATH}/{queued}").json
    assert events(db) == []


def test_a_retry_that_surely_never_arrived_can_be_withdrawn(
    cibt: FlaskClient, queued: int, db: psycopg.Connection[Any]
) -> None:
    db.execute(LATER["perhaps submitted"])  # type: ignore[arg-type]
    db.execute("UPDATE thunderhead_batches SET unsure_since = NULL")
    db.execute("UPDATE document_requests SET stage = 'SUBMISSION', attempts = 1")
    answer = cibt.post(f"{PATH}/{queued}/cancel")
    assert (answer.status_code, answer.json["status"], answer.json["stage"]) == (200, "STOPPED", "SUBMISSION")


def test_withdrawing_a_body_is_not_needed(cibt: FlaskClient, queued: int) -> None:
    assert cibt.post(f"{PATH}/{queued}/cancel?force=true").status_code == 422
    assert cibt.post(f"{PATH}/{queued}/cancel", data=b"anything", content_type="text/plain").status_code == 200


def test_many_at_once_end_it_once(cibt: FlaskClient, queued: int, db: psycopg.Connection[Any], intake: Any) -> None:
    authorization = {"Authorization": cibt.environ_base["HTTP_AUTHORIZATION"]}
    with ThreadPoolExecutor(8) as pool:
        calls = [
            pool.submit(intake.test_client().post, f"{PATH}/{queued}/cancel", headers=authorization) for _ in range(8)
        ]
        assert Counter(call.result().status_code for call in calls) == {200: 8}
    assert len(events(db)) == 1


def test_a_claim_and_a_cancel_do_not_both_win(cibt: FlaskClient, queued: int, oms_database_url: str) -> None:
    """A claim that has the row is waited for, and then it is too late."""
    with psycopg.connect(oms_database_url) as claim, ThreadPoolExecutor(1) as pool:
        claim.execute(SLICE)
        claim.execute(LATER["leased"].split(";")[1])  # type: ignore[arg-type]
        call = pool.submit(cibt.post, f"{PATH}/{queued}/cancel")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        with psycopg.connect(oms_database_url, autocommit=True) as looking:
            while not call.done() and looking.execute(waiting).fetchone() == (0,):
                pass
        claim.commit()
        assert call.result().status_code == 409
