"""GET .../document: the whole PDF or a problem, through the one door, only for its client."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Callable
from typing import Any

import httpx
import psycopg
import pytest
from flask.testing import FlaskClient

from oms_intake.settings import IntakeSettings
from tests.integration.intake.conftest import PDF, ServedIntake, ThunderheadServer, a_pdf, a_request, complete

PATH = "/v1/document-requests"
TOKEN = "a-thunderhead-token"


@pytest.fixture
def intake_settings(intake_settings: IntakeSettings, thunderhead: ThunderheadServer) -> IntakeSettings:
    return IntakeSettings(
        **intake_settings.model_dump(exclude_unset=True), thunderhead_url=thunderhead.url, thunderhead_token=TOKEN
    )


@pytest.fixture
def completed(cibt: FlaskClient, db: psycopg.Connection[Any]) -> int:
    """A request whose second batch has document 7."""
    request_id: int = cibt.post(PATH, json=a_request()).json["request_id"]
    complete(db, request_id)
    return request_id


def test_its_client_gets_the_whole_document(cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer) -> None:
    answer = cibt.get(f"{PATH}/{completed}/document")
    assert (answer.status_code, answer.mimetype, answer.data) == (200, "application/pdf", PDF)
    sha256 = hashlib.sha256(PDF).hexdigest()
    assert answer.headers["ETag"] == f'"{sha256}"'
    assert answer.headers["Content-Length"] == str(len(PDF))
    assert answer.headers["Content-Disposition"] == f'attachment; filename="IVZRECPA-{completed}.pdf"'
    assert answer.headers["Cache-Control"] == "private, no-cache"
    assert thunderhead.asked == [("/v1/documents/7", f"Bearer {TOKEN}")]
    batch = cibt.get(f"{PATH}/{completed}").json["batches"][-1]
    assert (batch["document_sha256"], batch["document_bytes"], batch["document_pages"]) == (sha256, len(PDF), 2)
    last = cibt.get(f"{PATH}/{completed}/timeline").json["items"][-1]
    assert (last["event"], last["actor"]) == ("DOCUMENT_FETCHED", "client:developer")
    assert last["detail"] == {"sha256": sha256, "bytes": len(PDF)}


def test_each_fetch_is_in_the_timeline(cibt: FlaskClient, completed: int) -> None:
    for _ in range(2):
        assert cibt.get(f"{PATH}/{completed}/document").status_code == 200
    events = [it["event"] for it in cibt.get(f"{PATH}/{completed}/timeline").json["items"]]
    assert events.count("DOCUMENT_FETCHED") == 2


def test_who_has_it_already_gets_no_second_copy(
    cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer
) -> None:
    tag = f'"{hashlib.sha256(PDF).hexdigest()}"'
    for calls in (1, 1):  # the first call learns the SHA-256, the second one knows it
        answer = cibt.get(f"{PATH}/{completed}/document", headers={"If-None-Match": f'"other", "", W/{tag}'})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
        assert len(thunderhead.asked) == calls
    other = cibt.get(f"{PATH}/{completed}/document", headers={"If-None-Match": '"' + "0" * 64 + '"'})
    assert (other.status_code, other.data) == (200, PDF)


def test_another_document_than_before_is_given_and_logged(
    cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer, logs: list[Any]
) -> None:
    cibt.get(f"{PATH}/{completed}/document")
    thunderhead.body = a_pdf(pages=3)
    assert cibt.get(f"{PATH}/{completed}/document").data == thunderhead.body
    assert cibt.get(f"{PATH}/{completed}").json["batches"][-1]["document_pages"] == 3
    assert "document_changed" in [line["event"] for line in logs]


def test_pages_that_cannot_be_counted_are_not_told(
    cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer
) -> None:
    thunderhead.body = b"%PDF-1.7 this is all %%EOF"
    assert cibt.get(f"{PATH}/{completed}/document").status_code == 200
    batch = cibt.get(f"{PATH}/{completed}").json["batches"][-1]
    assert (batch["document_bytes"], batch["document_pages"]) == (len(thunderhead.body), None)


@pytest.mark.parametrize("status", ["QUEUED", "PROCESSING", "FAILED", "STOPPED"])
def test_before_the_end_there_is_none(
    cibt: FlaskClient, db: psycopg.Connection[Any], status: str, thunderhead: ThunderheadServer
) -> None:
    request_id = cibt.post(PATH, json=a_request()).json["request_id"]
    db.execute(
        "UPDATE document_requests SET status = %s, stage = 'GENERATION', revision = CASE WHEN %s THEN 1 ELSE 0 END,"
        " ended_at = CASE WHEN %s THEN now() END",
        [status, status in ("FAILED", "STOPPED"), status in ("FAILED", "STOPPED")],
    )
    answer = cibt.get(f"{PATH}/{request_id}/document")
    assert (answer.status_code, answer.json["type"]) == (409, "/problems/document-not-ready")
    assert answer.json["request"]["status"] == status
    assert thunderhead.asked == []


def test_after_the_erasure_it_is_gone(
    cibt: FlaskClient, completed: int, db: psycopg.Connection[Any], thunderhead: ThunderheadServer
) -> None:
    db.execute("UPDATE document_requests SET erased_at = now()")
    answer = cibt.get(f"{PATH}/{completed}/document")
    assert (answer.status_code, answer.json["type"]) == (410, "/problems/erased")
    assert thunderhead.asked == []


def test_another_systems_document_is_not_there(
    arcade: FlaskClient, completed: int, thunderhead: ThunderheadServer
) -> None:
    answer = arcade.get(f"{PATH}/{completed}/document", headers={"If-None-Match": "*"})
    assert (answer.status_code, thunderhead.asked) == (404, [])


UNUSABLE: dict[str, tuple[int, bytes, str]] = {
    "cut off": (200, PDF[: len(PDF) // 2], "application/pdf"),
    "no PDF": (200, b"<html>", "application/pdf"),
    "another type": (200, PDF, "text/html"),
    "empty": (200, b"", "application/pdf"),
    "not there": (404, b"{}", "application/json"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_no_whole_pdf_is_not_sent(
    cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer, name: str
) -> None:
    thunderhead.status, thunderhead.body, thunderhead.headers["Content-Type"] = UNUSABLE[name]
    answer = cibt.get(f"{PATH}/{completed}/document")
    assert (answer.status_code, answer.json["type"]) == (502, "/problems/document-unusable")
    events = [it["event"] for it in cibt.get(f"{PATH}/{completed}/timeline").json["items"]]
    assert "DOCUMENT_FETCHED" not in events


def test_a_connection_that_breaks_in_the_middle_is_told(
    cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer
) -> None:
    thunderhead.promised = len(PDF) + 1
    answer = cibt.get(f"{PATH}/{completed}/document")
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/thunderhead-unavailable")


def test_an_outage_is_told_with_the_wait_that_thunderhead_asks_for(
    cibt: FlaskClient, completed: int, thunderhead: ThunderheadServer
) -> None:
    thunderhead.status, thunderhead.headers["Retry-After"] = 503, "17"
    answer = cibt.get(f"{PATH}/{completed}/document")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "17")
    thunderhead.headers["Retry-After"] = "100000"
    assert cibt.get(f"{PATH}/{completed}/document").headers["Retry-After"] == "60"


def test_a_pause_stops_documents_too(
    cibt: FlaskClient, completed: int, db: psycopg.Connection[Any], thunderhead: ThunderheadServer
) -> None:
    db.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'op', paused_why = 'a secret reason'"
        " WHERE system = 'THUNDERHEAD' AND document_type = '*'"
    )
    answer = cibt.get(f"{PATH}/{completed}/document")
    assert (answer.status_code, answer.json["type"]) == (503, "/problems/thunderhead-unavailable")
    assert "secret" not in answer.text
    assert thunderhead.asked == []


def test_failures_open_the_breaker_for_all(
    cibt: FlaskClient, completed: int, db: psycopg.Connection[Any], thunderhead: ThunderheadServer
) -> None:
    thunderhead.status = 503
    for _ in range(12):
        assert cibt.get(f"{PATH}/{completed}/document").status_code == 503
    assert db.execute("SELECT open_until > now() FROM outside_systems WHERE system = 'THUNDERHEAD'").fetchone()
    assert len(thunderhead.asked) < 12


def test_a_lost_connection_of_the_door_is_opened_anew(
    cibt: FlaskClient, completed: int, db: psycopg.Connection[Any]
) -> None:
    assert cibt.get(f"{PATH}/{completed}/document").status_code == 200
    the_doors = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'oms-intake door'"
    ended = f"SELECT pg_terminate_backend(pid) {the_doors}"
    assert len(db.execute(ended).fetchall()) == 1
    left = f"SELECT count(*) {the_doors}"
    while db.execute(left).fetchone() != (0,):
        pass
    db.execute("UPDATE outside_systems SET most_per_second = 100 WHERE system = 'THUNDERHEAD'")
    assert [cibt.get(f"{PATH}/{completed}/document").status_code for _ in range(3)] == [200] * 3


def test_a_client_that_stops_reading_gives_its_place_back(
    serve: Callable[..., ServedIntake],
    token: Callable[..., str],
    completed: int,
    thunderhead: ThunderheadServer,
) -> None:
    """Its connection is closed before the promised length. Others of its source system get the place."""
    thunderhead.body = b"%PDF" + b"x" * 24_000_000 + b"%%EOF"  # more than all buffers between the two hold
    served = serve(intake_client_seconds=0.5)
    call = f"GET {PATH}/{completed}/document HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n\r\n".encode()
    idle = []
    for _ in range(2):  # all places of this source system
        client = socket.create_connection(("127.0.0.1", served.port))
        client.sendall(call)
        assert client.recv(12) == b"HTTP/1.1 200"
        idle.append(client)
    headers = {"Authorization": f"Bearer {token()}"}
    until = time.monotonic() + 30
    while True:
        answer = httpx.get(f"{served.url}{PATH}/{completed}/document", headers=headers, trust_env=False, timeout=30)
        if answer.status_code == 200:
            break
        assert (answer.status_code, time.monotonic() < until) == (429, True)
    assert len(answer.content) == len(thunderhead.body)
    for client in idle:
        received = 0
        client.settimeout(20)
        while part := client.recv(1_000_000):
            received += len(part)
        assert received < len(thunderhead.body)
        client.close()
