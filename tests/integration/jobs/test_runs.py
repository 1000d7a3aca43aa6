"""Runs in the jobs: what is held is not claimed, and the last end is told once, by the outbox."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from jsonschema import Draft202012Validator
from psycopg.rows import dict_row, tuple_row

from include.oms.base.queries import load
from include.oms.base.settings import Settings
from include.oms.ending.outbox import producer_config, publish_waiting_events
from include.oms.intake.contract import CONTRACTS
from include.oms.testing.system import Oms
from include.oms.words.model import Job
from tests.integration.plans import nodes

SCHEMA = json.loads((CONTRACTS / "run-completed-event.schema.json").read_text("utf-8"))


async def opened(oms: Oms, expected: int, *, proofs_end: int | None = None, is_held: bool = False) -> int:
    """A run; its id. ``proofs_end``: the last request that its hold does not hold."""
    (row,) = await oms.rows(
        """INSERT INTO runs (source_system, name, content_hash, expected, proofs, deadline, opened_by)
           VALUES ('CIBT', %s, '', %s, 0, now() + interval '1 hour', 'client:test') RETURNING run_id""",
        uuid4().hex, expected,
    )  # fmt: skip
    if is_held:
        await oms.connection.execute(
            """INSERT INTO request_holds (source_system, run_id, above_request_id, reason, held_by)
               VALUES ('CIBT', %s, %s, 'a run', 'client:test')""",
            (row["run_id"], proofs_end),
        )
    return int(row["run_id"])


async def close(oms: Oms, run_id: int) -> None:
    await oms.connection.execute(
        "UPDATE runs SET closed_at = now(), closed_by = 'client:test' WHERE run_id = %s", (run_id,)
    )


async def claimed(oms: Oms) -> list[int]:
    """The requests that one claim takes."""
    slices = await oms.claim(Job.PROCESSING)
    rows = await oms.rows(
        "SELECT request_id FROM document_requests WHERE slice_id = ANY (%s) ORDER BY request_id", slices
    )
    return [row["request_id"] for row in rows]


async def test_of_a_held_run_the_proofs_alone_are_claimed_and_others_go_on(oms: Oms) -> None:
    run_id = await opened(oms, 5)
    members = await oms.queued(5, run_id=run_id)
    await oms.connection.execute(
        """INSERT INTO request_holds (source_system, run_id, above_request_id, reason, held_by)
           VALUES ('CIBT', %s, %s, 'a run', 'client:test')""",
        (run_id, members[1]),
    )
    other_run = await opened(oms, 1)
    elsewhere = [*await oms.queued(1), *await oms.queued(1, run_id=other_run)]
    assert await claimed(oms) == [*members[:2], *elsewhere]
    assert await claimed(oms) == []
    await oms.connection.execute("UPDATE request_holds SET released_at = now(), released_by = 'client:other'")
    assert await claimed(oms) == members[2:]


CLAIM = {"limit": 10, "abandoned": False, "full_types": [], "full_systems": []}


@pytest.mark.parametrize(("name", "values"), [("lock_due_requests", CLAIM), ("requests_are_due", {})])
async def test_the_holds_are_not_looked_up_for_each_request_of_a_held_run(
    oms: Oms, name: str, values: dict[str, Any]
) -> None:
    await oms.queued(300, run_id=await opened(oms, 300, is_held=True))
    await oms.queued(1)
    explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {load('include.oms')[name]}"
    ((plan,),) = await (await oms.connection.cursor(row_factory=tuple_row).execute(explain, values)).fetchall()
    steps = [node for node in nodes(plan[0]["Plan"]) if node.get("Relation Name") == "request_holds"]
    assert max(node["Actual Loops"] for node in steps) < 10


async def test_a_retrigger_gets_past_the_hold_of_no_run(oms: Oms) -> None:
    """A red proof that is retriggered is a proof still."""
    run_id = await opened(oms, 2, is_held=True)
    first, second = await oms.queued(2, run_id=run_id)
    await oms.connection.execute("UPDATE request_holds SET above_request_id = %s", (first,))
    stopped = "SELECT request_id FROM document_requests, stop_of('CIBT', 'INVOICE', 'IVZRECPA', run_id, request_id)"
    assert [row["request_id"] for row in await oms.rows(stopped)] == [second]


class Kafka:
    """A broker with the two topics of this test."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.settings = Settings(
            kafka_topic=f"ends-{uuid4().hex}", kafka_run_topic=f"runs-{uuid4().hex}", publish_timeout_seconds=20
        )
        admin = AdminClient({"bootstrap.servers": bootstrap})
        topics = [NewTopic(it, 1, 1) for it in (self.settings.kafka_topic, self.settings.kafka_run_topic)]
        for created in admin.create_topics(topics).values():
            created.result(timeout=10)

    def publish(self, url: str) -> int:
        """Publish what waits, as every worker does after its ends; the number of events."""
        config = producer_config(self.settings) | {"bootstrap.servers": self.bootstrap, "log_level": 0}
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as outbox:
            return publish_waiting_events(outbox, lambda: Producer(config), self.settings).acknowledged

    def read(self, topic: str, n: int) -> list[tuple[str, Any]]:
        """The first messages of a topic, ``n`` at most, as (key, event)."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": uuid4().hex})
        consumer.assign([TopicPartition(topic, 0, 0)])
        try:
            messages = consumer.consume(n, timeout=20)
            return [((it.key() or b"").decode(), json.loads(it.value() or b"")) for it in messages]
        finally:
            consumer.close()


@pytest.fixture
def kafka(kafka_bootstrap: str) -> Kafka:
    """Two topics of this test's own."""
    return Kafka(kafka_bootstrap)


async def test_a_run_with_a_failed_and_a_withdrawn_request_ends_as_told_once(oms: Oms, kafka: Kafka) -> None:
    run_id = await opened(oms, 4)
    fine, failed, withdrawn, late = await oms.queued(4, run_id=run_id)
    await oms.connection.execute(
        "UPDATE document_requests SET attempts = 1, ended_at = now(), revision = 1, status = CASE request_id"
        " WHEN %s THEN 'COMPLETED' WHEN %s THEN 'FAILED' ELSE 'STOPPED' END WHERE request_id <> %s",
        (fine, failed, late),
    )
    await oms.connection.execute(
        """INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)
           VALUES (%s, 1, 0, 'ENRICHMENT', 'CANCELLED', 'withdrawn by its client')""",
        (withdrawn,),
    )
    assert kafka.publish(oms.url) == 0, "it is not closed"
    await close(oms, run_id)
    assert kafka.publish(oms.url) == 0, "one is open"
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    await oms.run_monitoring()
    assert kafka.publish(oms.url) == 2, "the last end, and the run"
    assert kafka.publish(oms.url) == 0
    ((key, event),) = kafka.read(kafka.settings.kafka_run_topic, 1)
    Draft202012Validator(SCHEMA).validate(event)
    assert (key, event["subject"]) == (f"run-{run_id}", str(run_id))
    totals = {"expected": 4, "received": 4, "completed": 2, "failed": 1, "stopped": 1, "withdrawn": 1}
    assert event["data"].items() >= totals.items()
    assert [key for key, _ in kafka.read(kafka.settings.kafka_topic, 1)] == [str(late)]
    await oms.connection.execute(
        "UPDATE document_requests SET status = 'QUEUED', ended_at = NULL WHERE status = 'FAILED'"
    )
    await oms.connection.execute(
        "UPDATE document_requests SET status = 'COMPLETED', ended_at = now() WHERE status = 'QUEUED'"
    )
    assert kafka.publish(oms.url) == 0, "a later end of one of its requests does not tell it again"


async def test_a_broken_topic_of_runs_keeps_no_end_waiting(oms: Oms, kafka: Kafka) -> None:
    run_id = await opened(oms, 1)
    await oms.queued(1, run_id=run_id, status="COMPLETED", revision=1, ended_at="2026-01-01")
    await close(oms, run_id)
    kafka.settings = kafka.settings.model_copy(update={"kafka_run_topic": "no-such-topic"})
    assert kafka.publish(oms.url) == 0
    (event,) = await oms.events()
    assert (event["run_id"], event["published_at"]) == (run_id, None)
