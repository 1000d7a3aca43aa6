"""The chaos run's judgement: it is silent where all is well, and notices each thing that can go wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from include.local.chaos.comparison import Verdict, compare, repeated
from include.local.chaos.orders import Order
from include.local.chaos.reader import Message
from include.local.chaos.rows import Rows
from tests.unit.local.test_demo import made_event

ORDER = Order("CIBT", {"request_correlation_id": "C-1"}, "COMPLETED")
ACCEPTED = {ORDER.key: {7}}
BATCH = {"batchName": "OMS-7-1", "status": "COMPLETED"}
FAILED_BATCH = {"batchName": "OMS-7-1", "status": "FAILED"}


def request(**columns: Any) -> Any:
    row = {"request_id": 7, "source_system": "CIBT", "request_correlation_id": "C-1", "status": "COMPLETED"}
    return SimpleNamespace(**row | {"revision": 1, "last_error": None} | columns)


def row_of_event(revision: int = 1, reason: str | None = None) -> Any:
    event_id = f"00000000-0000-3000-8000-{revision:012}"
    return SimpleNamespace(request_id=7, revision=revision, event_id=event_id, set_aside_reason=reason)


def message(revision: int = 1, key: str = "7", place: int = 0, **members: Any) -> Message:
    event = made_event(7, revision=revision).event | {"id": row_of_event(revision).event_id} | members
    return Message(key, json.dumps(event).encode(), place)


ROWS = Rows([request()], [SimpleNamespace(request_id=7, batch_name="OMS-7-1")], [row_of_event()], {})
TWICE = ROWS._replace(requests=[request(revision=2)], events=[row_of_event(1), row_of_event(2)])


def judged(
    *,
    accepted: Any = ACCEPTED,
    rows: Rows = ROWS,
    batches: Any = (BATCH,),
    messages: Any = None,
    run_messages: Any = (),
) -> Verdict:
    return compare([ORDER], accepted, rows, batches, [message()] if messages is None else messages, run_messages)


def test_all_is_well() -> None:
    assert set(judged().numbers().values()) == {0}
    assert judged().sentences() == []


def test_a_retriggered_request_tells_each_of_its_ends() -> None:
    assert judged(rows=TWICE, messages=[message(1), message(2)]).sentences() == []


def test_a_message_that_comes_again_under_its_id_is_allowed_and_counted() -> None:
    assert judged(messages=[message(), message()]).sentences() == []
    assert repeated([message(), message()]) == 1


LOST = {
    "an order": {"accepted": {}, "rows": Rows([], [], [], {}), "batches": [], "messages": []},
    "a row": {"rows": Rows([], ROWS.batches, ROWS.events, {})},
    "an end": {"rows": ROWS._replace(requests=[request(status="QUEUED", revision=0)], events=[])},
    "an event's row": {"rows": ROWS._replace(events=[])},
    "an event": {"messages": []},
    "an event that is no JSON": {"messages": [Message("7", b"{", 0)]},
    "one event of two": {"rows": TWICE, "messages": [message(2)]},
    "a document": {"batches": [FAILED_BATCH]},
    "a document that nobody is told of": {"rows": ROWS._replace(requests=[request(status="FAILED")])},
    "a batch": {"batches": [BATCH, {"batchName": "OMS-8-1", "status": "PROCESSING"}]},
}


@pytest.mark.parametrize("ledgers", LOST.values(), ids=LOST)
def test_what_is_lost_is_noticed(ledgers: dict[str, Any]) -> None:
    assert judged(**ledgers).numbers()["lost"]


DOUBLED = {
    "an order under two ids": {"accepted": {ORDER.key: {7, 8}}},
    "a row that nobody was told of": {"rows": ROWS._replace(requests=[request(), request(request_id=8)])},
    "a batch": {"batches": [BATCH, {**BATCH, "status": "PROCESSING"}]},
    "a document": {
        "rows": ROWS._replace(batches=[*ROWS.batches, SimpleNamespace(request_id=7, batch_name="OMS-7-2")]),
        "batches": [BATCH, {**BATCH, "batchName": "OMS-7-2"}],
    },
    "an event under two ids": {"messages": [message(), message(id=row_of_event(9).event_id)]},
}


@pytest.mark.parametrize("ledgers", DOUBLED.values(), ids=DOUBLED)
def test_what_is_doubled_is_noticed(ledgers: dict[str, Any]) -> None:
    assert judged(**ledgers).numbers()["doubled"]


def test_ends_out_of_order_are_noticed() -> None:
    assert judged(rows=TWICE, messages=[message(2), message(1)]).numbers()["misordered"] == 1
    again = [message(1), message(2), message(1)]
    assert judged(rows=TWICE, messages=again).numbers()["misordered"] == 1, "a repetition after a later end, too"


VIOLATIONS = {
    "another shape": message(specversion="2"),
    "no JSON": Message("7", b"{", 0),
    "another key": replace(message(), key="8"),
}


@pytest.mark.parametrize("broken", VIOLATIONS.values(), ids=VIOLATIONS)
def test_what_is_not_as_the_schema_says_is_noticed(broken: Message) -> None:
    assert judged(messages=[message(), broken]).numbers()["schema violations"]


def test_who_is_blamed_for_anothers_fault_is_noticed() -> None:
    verdict = judged(rows=ROWS._replace(requests=[request(status="FAILED", last_error="SUBMISSION X y")]))
    assert verdict.blamed == ["Request 7 had to end COMPLETED, and ended FAILED: SUBMISSION X y."]


TOTALS = {"expected": 1, "received": 1, "completed": 1, "failed": 0, "stopped": 0, "withdrawn": 0}
RUN = SimpleNamespace(run_id=3, completed_at="2026-01-01", missing=0, **TOTALS)


def of_run(**data: Any) -> Message:
    event = {
        "specversion": "1.0", "id": "00000000-0000-3000-8000-000000000003", "source": "/oms/document-monitoring",
        "type": "oms.run.completed.v1", "subject": "3", "time": "2026-01-01T00:00:00Z",
        "datacontenttype": "application/json",
        "data": {"run_id": 3, "name": "CHAOS-1", "source_system": "CIBT", "opened_at": "2026-01-01T00:00:00Z",
                 "closed_at": "2026-01-01T00:00:00Z"} | TOTALS | data,
    }  # fmt: skip
    return Message("run-3", json.dumps(event).encode(), 0)


def test_a_run_that_has_told_its_end_once_is_well() -> None:
    assert judged(rows=ROWS._replace(runs=[RUN]), run_messages=[of_run(), of_run()]).sentences() == []


RUNS_TOLD_WRONGLY = {
    "not told": ([RUN], []),
    "told twice": ([RUN], [of_run(), of_run(name="CHAOS-2")]),
    "other totals": ([RUN], [of_run(completed=0, failed=1)]),
    "another shape": ([RUN], [of_run(closed_at=None)]),
    "not completed": ([SimpleNamespace(**vars(RUN) | {"completed_at": None, "missing": 1})], []),
}


@pytest.mark.parametrize(("runs", "messages"), RUNS_TOLD_WRONGLY.values(), ids=RUNS_TOLD_WRONGLY)
def test_a_run_that_is_told_wrongly_is_noticed(runs: Any, messages: list[Message]) -> None:
    assert judged(rows=ROWS._replace(runs=runs), run_messages=messages).numbers()["runs told wrongly"]
