"""The demo's judgement: what it hands in is valid, and it notices whatever went wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from include.local.demo.comparison import differences
from include.local.demo.events import Event
from include.local.demo.intake_client import Accepted
from include.local.demo.report import failures, latencies, p50_p95
from include.local.demo.sample import REQUESTS, Sample, samples
from include.local.environment import SOURCE_SYSTEMS
from include.local.settings import ROOT


def made_event(request_id: int = 7, status: str = "COMPLETED", **data: Any) -> Event:
    return Event(
        str(request_id),
        {
            "specversion": "1.0",
            "id": f"00000000-0000-3000-8000-{request_id:012}",
            "source": "/oms/document-monitoring",
            "type": "oms.document-request.final-status.v1",
            "subject": str(request_id),
            "time": "2026-11-23T12:00:00.000000Z",
            "datacontenttype": "application/json",
            "data": {
                "request_id": request_id,
                "request_correlation_id": "DEMO",
                "source_system": "CIBT",
                "document_type": "POLICY",
                "document_name": "POSHOOFF",
                "status": status,
                "revision": 1,
                "attempts": 1,
                "thunderhead_batch_id": 1,
                "dms_document_id": 2,
                "errors": [],
                **data,
            },
        },
        at=12.5,
    )


OTHER_ID = replace(made_event(), event=made_event().event | {"id": made_event(8).event["id"]})


def accepted(request_id: int = 7, expected: str = "COMPLETED") -> Accepted:
    return Accepted(request_id, Sample("CIBT", {}, expected), at=10.0)


def found(events: list[Event], statuses: dict[int, str], expected: str = "COMPLETED") -> list[str]:
    return differences([accepted(expected=expected)], events, statuses, check_expected=True)


def test_the_sample_is_as_the_contract_says() -> None:
    contract = yaml.safe_load((ROOT / "include/contracts/document-requests.openapi.yaml").read_text())
    validator = Draft202012Validator(contract["components"]["schemas"]["NewDocumentRequest"])
    handed_in = samples("20261123")
    assert [error.message for sample in handed_in for error in validator.iter_errors(sample.request)] == []
    assert len({sample.request["request_correlation_id"] for sample in handed_in}) == REQUESTS
    assert {sample.source_system for sample in handed_in} == set(SOURCE_SYSTEMS)


def test_the_sample_is_various_and_little_of_it_is_slow() -> None:
    handed_in = samples("20261123")
    assert {sample.request["document_language"] for sample in handed_in} == {"EN", "ES", "FR", "DE", "NL"}
    assert len({sample.request["document_name"] for sample in handed_in}) == 4
    assert {sample.expected for sample in handed_in} == {"COMPLETED", "FAILED", "STOPPED"}
    for_a_while = [s for s in handed_in if s.request["document_content"].get("sandbox") == "TRANSIENT"]
    assert 0 < len(for_a_while) <= 0.03 * REQUESTS


def test_two_sides_that_agree() -> None:
    assert found([made_event()], {7: "COMPLETED"}) == []


def test_the_same_event_may_arrive_twice() -> None:
    assert found([made_event(), made_event()], {7: "COMPLETED"}) == []


@pytest.mark.parametrize(
    ("events", "status", "fault"),
    [
        ([], "COMPLETED", "Request 7 has 0 final events"),
        ([made_event(), OTHER_ID], "COMPLETED", "Request 7 has 2 final events"),
        ([made_event(status="FAILED")], "COMPLETED", "COMPLETED at the intake, and FAILED by its event"),
        ([made_event(status="FAILED")], "FAILED", "was to end COMPLETED, and ended FAILED"),
        ([made_event(revision=0)], "COMPLETED", "not as its schema says"),
        ([replace(made_event(), key="8")], "COMPLETED", "has the key 8"),
    ],
)  # fmt: skip
def test_whatever_differs_is_told(events: list[Event], status: str, fault: str) -> None:
    assert any(fault in told for told in found(events, {7: status}))


def test_latency_is_from_accepted_to_event() -> None:
    assert latencies([accepted()], [made_event()]) == {7: 2.5}


def test_percentiles() -> None:
    assert p50_p95([3.0]) == (3.0, 3.0)
    assert p50_p95([float(n) for n in range(101)]) == (50.0, 95.0)


def test_failures_are_told_by_reason() -> None:
    error = {"stage": "GENERATION", "category": "VALIDATION_ERROR", "description": "no amount", "at": "2026"}
    told = failures(
        [
            *(made_event(number, "FAILED", errors=[error]) for number in range(7)),
            made_event(9, attempts=2),
            made_event(10),
        ]
    )
    assert told == [
        "1 COMPLETED - after 2 attempts (requests 9)",
        "7 FAILED - GENERATION VALIDATION_ERROR: no amount (requests 0, 1, 2, 3, 4 …)",
    ]
