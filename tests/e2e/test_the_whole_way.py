"""From a client's POST through a real Airflow scheduler to the event on Kafka, and an operator's clear."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import jsonschema

from tests.e2e.conftest import Client

SCHEMA = json.loads(Path("include/contracts/final-status-event.schema.json").read_text())
EXPECTED = {
    "COMPLETED": "COMPLETED",
    "FAILED_VALIDATION": "FAILED",
    "STOPPED": "STOPPED",
    "REJECTED": "FAILED",
    "UNAVAILABLE_ONCE": "COMPLETED",
}


def test_every_request_reaches_its_end_and_has_one_event(client: Client) -> None:
    sent = {client.post(sandbox=sandbox): sandbox for sandbox in EXPECTED for _ in range(3)}

    for request_id, sandbox in sent.items():
        assert client.ended(request_id)["status"] == EXPECTED[sandbox]

    for request_id in sent:
        client.events_of(request_id, 1)
    mine = [event for event in client.events() if event["data"]["request_id"] in sent]
    assert Counter(event["data"]["request_id"] for event in mine) == dict.fromkeys(sent, 1)
    for event in mine:
        jsonschema.validate(event, SCHEMA, format_checker=jsonschema.FormatChecker())
        assert event["data"]["status"] == client.get(event["data"]["request_id"])["status"]


def test_clearing_a_red_submission_runs_exactly_its_requests_again(client: Client) -> None:
    client.control(fates=[{"match": {"document_name": "IVZRECPA"}, "status": "REJECTED", "first_n": 1}])
    bad = client.post()
    red = client.red_task_instance(bad, "document_processing", "process_slice")
    assert client.ended(bad)["status"] == "FAILED"

    client.clear(red)

    assert client.ended(bad, revision=2)["status"] == "COMPLETED"
    assert client.timeline(bad) == ["ACCEPTED", "CLAIMED", "FAILED", "RETRIGGERED", "SUBMITTED", "COMPLETED"]
    assert [event["data"]["revision"] for event in client.events_of(bad, 2)] == [1, 2]


def test_clearing_a_red_generation_gets_a_new_attempt(client: Client) -> None:
    client.control(fates=[{"status": "FAILED", "category": "VALIDATION_ERROR", "first_n": 1}])
    bad = client.post()
    red = client.red_task_instance(bad, "document_monitoring", "poll_slice")

    client.clear(red)

    healed = client.ended(bad, revision=2)
    assert (healed["status"], healed["attempts"]) == ("COMPLETED", 2)
    client.control()
