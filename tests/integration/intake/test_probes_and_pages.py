"""What machines and people ask the service about itself; none of it needs a token."""

from typing import Any

import psycopg
import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from include.oms.words.problems import PROBLEMS
from tests.integration.intake.conftest import a_request

PATH = "/v1/document-requests"


@pytest.fixture
def stranger(intake: Flask) -> FlaskClient:
    return intake.test_client()


def samples(client: FlaskClient) -> dict[tuple[str, frozenset[str]], float]:
    """Each metric's value by its name and the values of its labels."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(s.name, frozenset(s.labels.values())): s.value for family in families for s in family.samples}


def test_probes(stranger: FlaskClient) -> None:
    assert stranger.get("/healthz").json == {"status": "ok"}
    assert stranger.get("/readyz").json == {"status": "ok"}


def test_metrics(cibt: FlaskClient, stranger: FlaskClient, db: psycopg.Connection[Any]) -> None:
    calls = ("oms_intake_call_seconds_count", frozenset({"POST", PATH, "202"}))
    before = samples(stranger).get(calls, 0)
    cibt.post(PATH, json=a_request("R1"))
    cibt.post(PATH, json=a_request("R2"))
    db.execute("UPDATE document_requests SET created_at = now() - interval '1 hour' WHERE request_id = 1")
    db.execute("UPDATE document_requests SET status = 'PROCESSING' WHERE request_id = 1")
    now = samples(stranger)
    queued, processing = frozenset({"QUEUED"}), frozenset({"PROCESSING"})
    assert now[calls] == before + 2
    assert (now["oms_open_requests", queued], now["oms_open_requests", processing]) == (1, 1)
    assert 3600 <= now["oms_oldest_open_request_seconds", processing] < 3700
    assert now["oms_oldest_open_request_seconds", queued] < 60


def test_the_promise_has_its_metrics_with_exemplars(
    cibt: FlaskClient, stranger: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    cibt.post(PATH, json=a_request("DUE"))
    cibt.post(PATH, json=a_request("RED"))
    cibt.post("/v1/runs", json={"name": "JUNE", "expected": 1, "deadline": "2026-01-01T00:00:00Z"})
    db.execute(
        "UPDATE document_requests SET status = 'FAILED', revision = 1, ended_at = now()"
        " WHERE request_correlation_id = 'RED'"
    )
    db.execute("UPDATE outside_systems SET open_until = now() + interval '1 h' WHERE system = 'KAFKA'")
    db.execute(
        """INSERT INTO end_counts VALUES
           ('INVOICE', 'CIBT', 'COMPLETED', 10, 3, 21, '0af7651916cd43dd8448eb211c80319c', 7.5, now()),
           ('INVOICE', 'CIBT', 'FAILED', 'Infinity', 1, 4000, NULL, NULL, NULL),
           ('INVOICE', 'CIBT', 'COMPLETED', 0, 2, 0, NULL, NULL, NULL)"""
    )
    now, pair = samples(stranger), frozenset({"INVOICE", "CIBT"})
    assert (now["oms_due_requests", pair], now["oms_red_requests", pair]) == (1, 1)
    assert now["oms_breaker_open", frozenset({"KAFKA", "*"})] == 1
    assert now["oms_open_runs", frozenset({"true"})] == 1
    assert now["oms_ends_total", pair | {"COMPLETED"}] == 5
    seconds = "oms_accepted_to_event_seconds"
    assert [now[f"{seconds}_bucket", pair | {le}] for le in ("5.0", "10.0", "3600.0", "+Inf")] == [0, 3, 3, 4]
    assert now[f"{seconds}_sum", pair] == 4021
    openmetrics = stranger.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert openmetrics.mimetype == "application/openmetrics-text"
    assert '# {trace_id="0af7651916cd43dd8448eb211c80319c"} 7.5' in openmetrics.text
    assert openmetrics.text.endswith("# EOF\n")


def test_a_request_for_later_does_not_make_the_queue_old(
    cibt: FlaskClient, stranger: FlaskClient, db: psycopg.Connection[Any]
) -> None:
    """The age counts from not_before; a back-off, which moves due_at, does not begin it anew."""
    queued = frozenset({"QUEUED"})
    cibt.post(PATH, json=a_request("LATER"))
    db.execute("UPDATE document_requests SET created_at = now() - interval '2 d', not_before = now() + interval '5 d'")
    assert samples(stranger)["oms_oldest_open_request_seconds", queued] == 0
    db.execute("UPDATE document_requests SET not_before = now() - interval '1 h', due_at = now() + interval '10 min'")
    assert 3600 <= samples(stranger)["oms_oldest_open_request_seconds", queued] < 3700


def test_the_contract_is_served_with_the_values_in_force(stranger: FlaskClient) -> None:
    served = stranger.get("/openapi.json").json
    assert served["openapi"] == "3.1.0"
    properties = served["components"]["schemas"]["NewDocumentRequest"]["properties"]
    assert properties["document_name"]["enum"] == ["IVZRECPA", "POSHOOFF"]


def test_a_page_to_browse_it_that_needs_nobody_else(stranger: FlaskClient) -> None:
    assert stranger.get("/").headers["Location"] == "/docs/"
    page = stranger.get("/docs/").text
    assert "http" not in page.replace("http://localhost", "")
    with stranger.get("/docs/swagger-ui-bundle.js") as script:
        assert script.status_code == 200


def test_every_problem_has_a_page(stranger: FlaskClient) -> None:
    index = stranger.get("/problems/").text
    for name, problem in PROBLEMS.items():
        page = stranger.get(f"/problems/{name}")
        assert (page.status_code, page.mimetype) == (200, "text/html")
        assert problem.title.replace("'", "&#39;") in page.text
        assert f'href="/problems/{name}"' in index


def test_a_refused_calls_line_in_the_log_names_the_page(cibt: FlaskClient, logs: list[Any]) -> None:
    cibt.post(PATH, json={})
    cibt.get(PATH)
    refused, fine = (line for line in logs if line["event"] == "call")
    assert refused["problem"] == "/problems/invalid-request"
    assert "problem" not in fine


def test_a_problem_that_is_none(stranger: FlaskClient) -> None:
    assert stranger.get("/problems/none").status_code == 404


def test_an_error_while_answering_is_logged_as_any_other(intake: Flask, logs: list[Any]) -> None:
    def fail(answer: Any) -> Any:
        raise RuntimeError("secret")

    intake.after_request_funcs[None].insert(0, fail)  # the first is the last to run
    intake.test_client_class = FlaskClient  # the contract has no 500
    answer = intake.test_client().get("/healthz")
    assert (answer.status_code, answer.json["type"]) == (500, "/problems/internal-error")
    (line,) = [line for line in logs if line["event"] == "unforeseen_error"]
    assert (line["error"], line["call_id"]) == ("RuntimeError", answer.json["request_id"])
    assert "secret" not in str(logs)
