"""/v1/runs: opened once, joined while open, closed when the control total is right, released by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator

import include
from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import a_request, count_rows, warm

PATH, RUNS = "/v1/document-requests", "/v1/runs"
EVENT = json.loads((Path(include.__path__[0]) / "contracts/run-completed-event.schema.json").read_text())
STOPPED = (
    "SELECT request_id FROM document_requests r WHERE EXISTS"
    " (SELECT FROM stop_of(source_system, document_type, document_name, run_id, request_id)) ORDER BY request_id"
)


@pytest.fixture
def intake_settings(intake_settings: IntakeSettings) -> IntakeSettings:
    """An intake that waits: calls of these tests wait for each other, however busy the machine is."""
    patient = {"intake_pool_timeout_seconds": 20, "intake_statement_timeout_seconds": 20}
    return intake_settings.model_copy(update=patient)


@pytest.fixture
def releaser(client_of: Callable[..., FlaskClient]) -> FlaskClient:
    """Another client of the same source system, which may release runs."""
    return client_of(scopes=["documents:read", "runs:release"], subject="second-pair-of-eyes")


def opened(client: FlaskClient, name: str = "JUNE", **more: Any) -> int:
    """A new run; its id."""
    answer = client.post(RUNS, json={"name": name, "expected": 2, **more})
    assert answer.status_code == 201, answer.json
    assert answer.headers["Location"] == f"{RUNS}/{answer.json['run_id']}"
    return int(answer.json["run_id"])


def send(client: FlaskClient, run_id: int, *names: str) -> list[int]:
    """Requests that join the run, in one bulk call; their ids."""
    answer = client.post(f"{PATH}/bulk", json=[a_request(name, run_id=run_id) for name in names])
    assert answer.json["accepted"] == len(names), answer.json
    return [result["request_id"] for result in answer.json["results"]]


def end(db: psycopg.Connection[Any], *request_ids: int, status: str = "COMPLETED") -> None:
    db.execute(
        "UPDATE document_requests SET status = %s, revision = 1, ended_at = now() WHERE request_id = ANY (%s)",
        [status, list(request_ids)],
    )


def events(db: psycopg.Connection[Any]) -> list[Any]:
    return [row[0] for row in db.execute("SELECT event FROM final_events WHERE run_id IS NOT NULL").fetchall()]


def test_a_run_says_what_has_come_and_what_became_of_it(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    run_id = opened(cibt, expected=5)
    first, second, third = send(cibt, run_id, "A", "B", "C")
    fourth = cibt.post(PATH, json=a_request("D", run_id=run_id)).json
    assert fourth["run_id"] == run_id
    end(db, first)
    end(db, second, status="FAILED")
    cibt.post(f"{PATH}/{third}/cancel")
    run = cibt.get(f"{RUNS}/{run_id}").json
    assert (run["state"], run["expected"], run["received"], run["missing"], run["surplus"]) == ("OPEN", 5, 4, 1, 0)
    assert run["statuses"] == {"QUEUED": 1, "PROCESSING": 0, "STOPPED": 1, "FAILED": 1, "COMPLETED": 1}
    assert (run["red"], run["withdrawn"], run["late"]) == (1, 1, False)
    assert run["oldest_open_at"] == fourth["created_at"]
    assert {it["request_id"] for it in cibt.get(f"{PATH}?run_id={run_id}").json["items"]} >= {first, second, third}


def test_the_same_call_opens_one_run(cibt: FlaskClient, arcade: FlaskClient) -> None:
    run_id = opened(cibt, deadline="2027-01-31T09:00:00+01:00")
    again = cibt.post(RUNS, json={"expected": 2, "name": "JUNE", "deadline": "2027-01-31T08:00:00Z", "hold": False})
    assert (again.status_code, again.json["run_id"]) == (200, run_id)
    assert again.json["deadline"] == "2027-01-31T08:00:00.000000Z"
    other = cibt.post(RUNS, json={"name": "JUNE", "expected": 3})
    assert (other.status_code, other.json["type"]) == (409, "/problems/run-name-used")
    assert other.json["run"]["run_id"] == run_id
    assert opened(arcade) != run_id, "a name is of its source system"


@pytest.mark.parametrize(
    ("run", "pointer"),
    [
        ({"expected": -1}, "/expected"),
        ({"expected": 0}, "/expected"),
        ({"expected": 10**9}, "/expected"),
        ({"expected": 10**30}, "/expected"),
        ({"expected": 1.5}, "/expected"),
        ({"expected": "2"}, "/expected"),
        ({"expected": None}, "/expected"),
        ({"proofs": -1}, "/proofs"),
        ({"name": ""}, "/name"),
        ({"name": " June"}, "/name"),
        ({"name": "J" * 101}, "/name"),
        ({"deadline": "tomorrow"}, "/deadline"),
        ({"deadline": "9999-12-31T23:59:59Z"}, "/deadline"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(cibt: FlaskClient, run: dict[str, Any], pointer: str) -> None:
    answer = cibt.post(RUNS, json={"name": "JUNE", "expected": 2} | run)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json["errors"]] == [pointer]
    assert cibt.get(RUNS).json["items"] == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7"])
def test_a_body_that_is_no_run_is_refused(cibt: FlaskClient, body: bytes) -> None:
    answer = cibt.post(RUNS, data=body, content_type="application/json")
    assert answer.status_code == (400 if body in (b"", b"{") else 422)


def test_a_run_of_another_source_system_is_not_there(cibt: FlaskClient, client_of: Callable[..., FlaskClient]) -> None:
    run_id = opened(cibt, hold=True)
    other = client_of("ARCADE", scopes=["documents:read", "documents:write", "runs:release"])
    for answer in (
        other.get(f"{RUNS}/{run_id}"),
        other.post(f"{RUNS}/{run_id}/close"),
        other.post(f"{RUNS}/{run_id}/release"),
        other.get(f"{RUNS}/{2**63}"),
    ):
        assert answer.status_code == 404
    assert other.get(RUNS).json["items"] == []
    joining = other.post(PATH, json=a_request(run_id=run_id))
    assert (joining.status_code, joining.json["type"]) == (409, "/problems/run-not-open")


def test_a_closed_run_takes_no_request_and_still_answers_for_those_it_has(
    cibt: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    run_id = opened(cibt)
    (first, _) = send(cibt, run_id, "A", "B")
    assert cibt.post(f"{RUNS}/{run_id}/close").json["state"] == "CLOSED"
    rows = count_rows(db)
    for answer in (
        cibt.post(PATH, json=a_request("C", run_id=run_id)),
        cibt.post(f"{PATH}?validate_only=true", json=a_request("C", run_id=run_id)),
    ):
        assert (answer.status_code, answer.json["type"]) == (409, "/problems/run-not-open")
    lines = cibt.post(f"{PATH}/bulk", json=[a_request(name, run_id=run_id) for name in "AC"] + [a_request("D")]).json
    assert [line["status"] for line in lines["results"]] == [200, 409, 202]
    assert lines["results"][0]["request_id"] == first
    assert count_rows(db) > rows, "D alone is stored"
    assert cibt.get(f"{RUNS}/{run_id}").json["received"] == 2


def test_a_run_stays_open_while_one_is_missing(cibt: FlaskClient) -> None:
    run_id = opened(cibt)
    send(cibt, run_id, "A")
    answer = cibt.post(f"{RUNS}/{run_id}/close")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/run-does-not-add-up")
    assert answer.json["detail"].startswith("1 missing")
    assert (answer.json["run"]["state"], answer.json["run"]["missing"]) == ("OPEN", 1)
    send(cibt, run_id, "B")
    assert cibt.post(f"{RUNS}/{run_id}/close").status_code == 200


def test_a_run_with_too_many_stays_open_until_its_total_is_corrected(
    cibt: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    run_id = opened(cibt)
    send(cibt, run_id, "A", "B", "C")
    answer = cibt.post(f"{RUNS}/{run_id}/close")
    assert answer.json["detail"].startswith("1 too many")
    assert cibt.post(f"{RUNS}/{run_id}/close", json={"expected": -1}).status_code == 422
    assert cibt.post(f"{RUNS}/{run_id}/close", json={"expected": 4}).status_code == 409
    closed = cibt.post(f"{RUNS}/{run_id}/close", json={"expected": 3})
    assert (closed.status_code, closed.json["expected"], closed.json["state"]) == (200, 3, "CLOSED")
    trail = db.execute("SELECT actor, action, subject, before, after FROM operator_actions").fetchall()
    assert trail == [("client:developer", "correct_run", f"run {run_id}", {"expected": 2}, {"expected": 3})]


def test_closed_twice_is_harmless_and_the_event_comes_once(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    """All have ended before the close: the close itself completes it."""
    run_id = opened(cibt)
    end(db, *send(cibt, run_id, "A", "B"))
    assert events(db) == []
    answers = [cibt.post(f"{RUNS}/{run_id}/close") for _ in range(2)]
    assert [(it.status_code, it.json["state"]) for it in answers] == [(200, "COMPLETED")] * 2
    (event,) = events(db)
    Draft202012Validator(EVENT).validate(event)
    assert event["data"] | {"opened_at": "", "closed_at": ""} == {
        "run_id": run_id, "name": "JUNE", "source_system": "CIBT", "expected": 2, "received": 2, "completed": 2,
        "failed": 0, "stopped": 0, "withdrawn": 0, "opened_at": "", "closed_at": "",
    }  # fmt: skip


def test_of_a_held_run_only_the_proofs_may_be_claimed(
    cibt: FlaskClient, releaser: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    run_id = opened(cibt, expected=4, hold=True, proofs=2)
    cibt.post(PATH, json=a_request("elsewhere"))
    first = send(cibt, run_id, "A")
    assert db.execute(STOPPED).fetchall() == []
    later = send(cibt, run_id, "B", "C", "D")
    assert [row[0] for row in db.execute(STOPPED)] == later[1:]
    assert len({*first, *later}) == 4
    run = cibt.get(f"{RUNS}/{run_id}").json
    assert (run["hold"], run["proofs"], run["released_at"]) == (True, 2, None)
    for _ in range(2):
        answer = releaser.post(f"{RUNS}/{run_id}/release")
        assert (answer.status_code, answer.json["released_by"]) == (200, "client:second-pair-of-eyes")
    assert db.execute(STOPPED).fetchall() == []
    trail = db.execute("SELECT actor, action, subject FROM operator_actions").fetchall()
    assert trail == [("client:second-pair-of-eyes", "release", f"run {run_id}")]


def test_without_proofs_all_of_a_held_run_waits(cibt: FlaskClient, db: psycopg.Connection[Any]) -> None:
    run_id = opened(cibt, hold=True)
    ids = send(cibt, run_id, "A", "B")
    assert [row[0] for row in db.execute(STOPPED)] == ids


def test_calls_at_the_same_time_bring_as_many_proofs_as_were_asked_for(
    client_of: Callable[..., FlaskClient],
    cibt: FlaskClient,
    db: psycopg.Connection[Any],
    intake: Flask,
    token: Callable[..., str],
) -> None:
    warm(intake, token())
    run_id = opened(cibt, expected=40, hold=True, proofs=5)
    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(send, client_of(), run_id, *(f"{n}-{m}" for m in range(10))) for n in range(4)]
        ids = sorted(request_id for call in calls for request_id in call.result())
    assert [row[0] for row in db.execute(STOPPED)] == ids[5:]


def test_who_opened_a_run_may_not_release_it(
    client_of: Callable[..., FlaskClient], cibt: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    run_id = opened(cibt, hold=True)
    assert cibt.post(f"{RUNS}/{run_id}/release").json["type"] == "/problems/insufficient-scope"
    own = client_of(scopes=["runs:release"]).post(f"{RUNS}/{run_id}/release")
    assert (own.status_code, own.json["type"]) == (403, "/problems/own-run")
    assert db.execute("SELECT released_at FROM request_holds").fetchall() == [(None,)]


def test_runs_are_listed_newest_first_page_by_page(cibt: FlaskClient) -> None:
    ids = [opened(cibt, name) for name in ("A", "B", "C")]
    page = cibt.get(f"{RUNS}?limit=2").json
    assert [run["run_id"] for run in page["items"]] == [ids[2], ids[1]]
    rest = cibt.get(f"{RUNS}?limit=2&cursor={page['next_cursor']}").json
    assert ([run["run_id"] for run in rest["items"]], rest["next_cursor"]) == ([ids[0]], None)
    assert [run["name"] for run in cibt.get(f"{RUNS}?name=B").json["items"]] == ["B"]
    assert cibt.get(f"{RUNS}?limit=51").status_code == 422


def test_a_whole_number_may_be_written_with_a_point(cibt: FlaskClient) -> None:
    """JSON Schema calls 2.0 an integer."""
    run_id = cibt.post(RUNS, data='{"name": "JUNE", "expected": 2.0}', content_type="application/json").json["run_id"]
    assert cibt.post(PATH, json=a_request(run_id=float(run_id))).json["run_id"] == run_id


def test_a_request_that_names_its_run_wrongly_is_told_where(cibt: FlaskClient) -> None:
    for run_id in (0, -1, 1.5, "1", None, True, 10**30):
        answer = cibt.post(PATH, json=a_request() | {"run_id": run_id})
        assert [fault["pointer"] for fault in answer.json["errors"]] == ["/run_id"], run_id
    both = cibt.post(PATH, json=a_request(priority="ASAP", run_id=7))
    assert [fault["pointer"] for fault in both.json["errors"]] == ["/priority"]


def test_a_close_waits_for_calls_that_bring_requests(
    cibt: FlaskClient, oms_database_url: str, db: psycopg.Connection[Any]
) -> None:
    """A call that is under way holds the run open: what it stores is counted."""
    run_id = opened(cibt, expected=1)
    with psycopg.connect(oms_database_url) as bringing, ThreadPoolExecutor(1) as threads:
        bringing.execute("SELECT FROM runs WHERE run_id = %s FOR SHARE", [run_id])
        closing = threads.submit(cibt.post, f"{RUNS}/{run_id}/close")
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        while db.execute(waiting).fetchone() == (0,):
            assert not closing.done()
        bringing.execute(
            """INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
                   document_name, document_language, source_environment, client_subject, run_id)
               VALUES ('CIBT', 'A', '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test', %s)""",
            [run_id],
        )
        bringing.commit()
        assert closing.result(20).json["state"] == "CLOSED"
