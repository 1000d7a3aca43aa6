"""Ends are counted when their event is acknowledged: once each, in few series, with the trace of the newest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from include.oms.base.queries import query
from include.oms.ending.promise import BUCKET_SECONDS, MOST_COUNTED_PAIRS

TRACE = "0af7651916cd43dd8448eb211c80319c"
REQUEST = """
    INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type, document_name,
        document_language, source_environment, client_subject, attempts, status, revision, ended_at, created_at,
        not_before, run_id)
    VALUES (%(source_system)s, %(name)s, '', %(document_type)s, 'IVZRECPA', 'EN', 'DEV', 'test', 1, 'COMPLETED', 1,
            now(), now() - %(age)s * interval '1 second', %(not_before)s, %(run_id)s)
    RETURNING request_id"""
EVENT = """
    INSERT INTO final_events (request_id, revision, event_id, traceparent, event)
    VALUES (%(id)s, %(revision)s, event_uuid(%(id)s, %(revision)s), %(traceparent)s,
            json_build_object('data', json_build_object('status', %(status)s::text)))
    RETURNING event_seq"""


@pytest.fixture
def outbox(oms_database_url: str) -> Iterator[Connection[DictRow]]:
    """The OMS Database as a publisher sees it."""
    with psycopg.connect(oms_database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


def told(outbox: Connection[DictRow], age: float = 7, *, revision: int = 1, **more: Any) -> int:
    """An event of a request that was accepted ``age`` seconds ago; its number."""
    values = {
        "source_system": "CIBT", "document_type": "INVOICE", "name": uuid4().hex, "age": age, "not_before": None,
        "run_id": None, "revision": revision, "traceparent": None, "status": "COMPLETED",
    } | more  # fmt: skip
    (row,) = outbox.execute(REQUEST, values).fetchall()
    (event,) = outbox.execute(EVENT, values | {"id": row["request_id"]}).fetchall()
    return int(event["event_seq"])


def acknowledge(outbox: Connection[DictRow], *events: int, most_pairs: int = MOST_COUNTED_PAIRS) -> None:
    outbox.execute(
        query("mark_published"),
        {"event_seqs": list(events), "bounds": list(BUCKET_SECONDS), "most_pairs": most_pairs},
    )


def counts(outbox: Connection[DictRow]) -> dict[tuple[str, str, str, float], int]:
    rows = outbox.execute(query("end_counts")).fetchall()
    return {(it["document_type"], it["source_system"], it["status"], it["within_seconds"]): it["number"] for it in rows}


def test_ends_are_counted_by_bucket_and_once(outbox: Connection[DictRow]) -> None:
    events = [told(outbox, 1), told(outbox, 7), told(outbox, 8), told(outbox, 10_000, status="FAILED")]
    acknowledge(outbox, *events)
    outbox.execute("UPDATE final_events SET published_at = NULL")  # as an operator lets them go out again
    acknowledge(outbox, *events)
    assert counts(outbox) == {
        ("INVOICE", "CIBT", "COMPLETED", 5): 1,
        ("INVOICE", "CIBT", "COMPLETED", 10): 2,
        ("INVOICE", "CIBT", "FAILED", float("inf")): 1,
    }
    assert outbox.execute("SELECT count(*) AS n FROM final_events WHERE published_at IS NULL").fetchone() == {"n": 0}


def test_a_later_end_is_counted_and_not_measured(outbox: Connection[DictRow]) -> None:
    acknowledge(outbox, told(outbox, 100_000, revision=2))
    assert counts(outbox) == {("INVOICE", "CIBT", "COMPLETED", 0): 1}


def test_waiting_that_the_client_wants_is_not_measured(outbox: Connection[DictRow]) -> None:
    """Until not_before; until somebody releases its run. A proof does not wait for that."""
    (run,) = outbox.execute(
        """INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by)
           VALUES ('CIBT', 'JUNE', '', 2, 1, now() + interval '1 day', 'client:a') RETURNING run_id"""
    ).fetchall()
    later = told(outbox, 4000, not_before="now")
    proof, held = told(outbox, 4000, run_id=run["run_id"]), told(outbox, 4000, run_id=run["run_id"])
    outbox.execute(
        """INSERT INTO request_holds (source_system, run_id, above_request_id, reason, held_by, released_at,
               released_by)
           SELECT 'CIBT', %s, request_id, 'a run', 'client:a', now(), 'client:b' FROM final_events
           WHERE event_seq = %s""",
        [run["run_id"], proof],
    )
    acknowledge(outbox, later, proof, held)
    assert counts(outbox) == {("INVOICE", "CIBT", "COMPLETED", 5): 2, ("INVOICE", "CIBT", "COMPLETED", float("inf")): 1}


def test_labels_are_bounded(outbox: Connection[DictRow]) -> None:
    acknowledge(outbox, told(outbox))
    acknowledge(outbox, told(outbox, document_type="POLICY"), told(outbox), most_pairs=1)
    assert counts(outbox) == {("INVOICE", "CIBT", "COMPLETED", 10): 2, ("other", "other", "COMPLETED", 10): 1}


def test_the_newest_trace_of_a_bucket_is_its_exemplar(outbox: Connection[DictRow]) -> None:
    acknowledge(outbox, told(outbox, traceparent=f"00-{TRACE}-b7ad6b7169203331-01"))
    acknowledge(outbox, told(outbox))
    (row,) = outbox.execute(query("end_counts")).fetchall()
    assert (row["trace_id"], row["number"]) == (TRACE, 2)
    assert 7 <= row["trace_seconds"] < 10


def test_publishers_at_the_same_time_lose_no_count(outbox: Connection[DictRow], oms_database_url: str) -> None:
    mine, theirs = told(outbox), told(outbox)
    with psycopg.connect(oms_database_url, row_factory=dict_row) as other:
        acknowledge(other, theirs)
        other.commit()
    acknowledge(outbox, mine)
    assert counts(outbox) == {("INVOICE", "CIBT", "COMPLETED", 10): 2}
