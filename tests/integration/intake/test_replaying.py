"""POST .../events/replay: the same final event goes through the outbox again."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"
PUBLISHED = "UPDATE final_events SET published_at = now()"
SET_ASIDE = """UPDATE final_events
               SET set_aside_at = now(), set_aside_reason = 'refused', failures = 9, next_try_at = now()"""
WAITING = """SELECT event_id::text,
                    published_at IS NULL AND set_aside_at IS NULL AND failures = 0 AND next_try_at IS NULL
             FROM final_events ORDER BY event_seq"""


@pytest.fixture
def ended(cibt: FlaskClient) -> int:
    """A withdrawn request: it has an event that is not published yet."""
    request_id: int = cibt.post(PATH, json=a_request()).json["request_id"]
    assert cibt.post(f"{PATH}/{request_id}/cancel").status_code == 200
    return request_id


def trail(db: psycopg.Connection[Any]) -> list[Any]:
    return db.execute(
        "SELECT actor, door, request_id, number FROM operator_actions WHERE action = 'publish_again'"
    ).fetchall()


@pytest.mark.parametrize("state", [PUBLISHED, SET_ASIDE])
def test_the_event_waits_again_with_its_id(
    cibt: FlaskClient, ended: int, db: psycopg.Connection[Any], state: str
) -> None:
    db.execute(state)  # type: ignore[arg-type]
    db.execute("UPDATE watchers SET waiting = true")
    db.execute("LISTEN oms_work")
    answer = cibt.post(f"{PATH}/{ended}/events/replay")
    ((event_id, waits),) = db.execute(WAITING).fetchall()
    assert waits
    assert (answer.status_code, answer.json) == (
        202,
        {"request_id": ended, "event_id": event_id, "revision": 1},
    )
    last = cibt.get(f"{PATH}/{ended}/timeline").json["items"][-1]
    assert (last["event"], last["actor"]) == ("PUBLISHED_AGAIN", "client:developer")
    assert trail(db) == [("client:developer", "api", ended, 1)]
    woken = [note.payload for note in db.notifies(timeout=10, stop_after=1)]
    assert woken == ["document_monitoring"]


def test_an_event_that_waits_is_not_sent_twice(cibt: FlaskClient, ended: int, db: psycopg.Connection[Any]) -> None:
    db.execute(PUBLISHED)
    answers = [cibt.post(f"{PATH}/{ended}/events/replay") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202] * 3
    assert len({answer.text for answer in answers}) == 1
    assert len(trail(db)) == 1
    assert len(db.execute(WAITING).fetchall()) == 1


def test_only_the_newest_end_is_told_again(cibt: FlaskClient, ended: int, db: psycopg.Connection[Any]) -> None:
    db.execute(PUBLISHED)
    db.execute("""INSERT INTO final_events (request_id, revision, event_id, event, published_at)
                  SELECT request_id, 2, gen_random_uuid(), event, now() FROM final_events""")
    assert cibt.post(f"{PATH}/{ended}/events/replay").json["revision"] == 2
    assert [waits for _, waits in db.execute(WAITING).fetchall()] == [False, True]


def test_without_an_end_there_is_no_event(cibt: FlaskClient) -> None:
    request_id = cibt.post(PATH, json=a_request()).json["request_id"]
    answer = cibt.post(f"{PATH}/{request_id}/events/replay")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/no-event-yet")
    assert answer.json["request"]["status"] == "QUEUED"


def test_an_event_past_its_retention_is_gone(cibt: FlaskClient, ended: int, db: psycopg.Connection[Any]) -> None:
    db.execute("DELETE FROM final_events")
    answer = cibt.post(f"{PATH}/{ended}/events/replay")
    assert (answer.status_code, answer.json["type"]) == (410, "/problems/erased")


def test_another_systems_event_is_not_there(arcade: FlaskClient, ended: int, db: psycopg.Connection[Any]) -> None:
    db.execute(PUBLISHED)
    assert arcade.post(f"{PATH}/{ended}/events/replay").status_code == 404
    assert arcade.post(f"{PATH}/{2**63}/events/replay").status_code == 404
    assert trail(db) == []


def test_it_needs_the_scope_to_write(client_of: Any, ended: int) -> None:
    assert client_of(scopes=["documents:read"]).post(f"{PATH}/{ended}/events/replay").status_code == 403
