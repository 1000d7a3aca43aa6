"""The outbox and a real broker: acknowledged before marked, in order, nothing lost while the broker is down."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from include.oms.base.settings import Settings
from include.oms.ending.outbox import producer_config, publish_waiting_events
from include.oms.testing.kafka import broker, free_port

PATIENCE_SECONDS = 30


@pytest.fixture
def outbox(oms_database_url: str) -> Iterator[Connection[DictRow]]:
    """The OMS Database as a publisher sees it."""
    with psycopg.connect(oms_database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def settings() -> Settings:
    """A topic of this test's own."""
    return Settings(kafka_topic=f"events-{uuid4().hex}", publish_timeout_seconds=PATIENCE_SECONDS)


def ended(outbox: Connection[DictRow], revisions: int = 1, **more: Any) -> int:
    """A request with this many ends waiting in the outbox; its id."""
    row = outbox.execute(
        """INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
               document_name, document_language, source_environment, client_subject, attempts, status, revision,
               ended_at)
           VALUES ('CIBT', %s, '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test', 1, 'FAILED', %s, now())
           RETURNING request_id""",
        (uuid4().hex, revisions),
    ).fetchone()
    assert row
    event = {"topic": None, "text": "x"} | more
    for revision in range(1, revisions + 1):
        outbox.execute(
            """INSERT INTO final_events (request_id, revision, event_id, topic, event)
               VALUES (%(id)s, %(revision)s, event_uuid(%(id)s, %(revision)s), %(topic)s, to_json(%(text)s::text))""",
            {"id": row["request_id"], "revision": revision, **event},
        )
    return int(row["request_id"])


def producer(bootstrap: str, **more: Any) -> Callable[[], Producer]:
    """As the jobs make it."""
    config = producer_config(Settings(publish_timeout_seconds=PATIENCE_SECONDS)) | {
        "bootstrap.servers": bootstrap,
        "log_level": 0,
    }
    return lambda: Producer(config | more)


def read(bootstrap: str, topic: str, n: int) -> list[tuple[int, Any]]:
    """The first ``n`` messages of a topic, as (request id, value)."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid4().hex, "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(topic, 0, 0)])  # by hand: joining a group takes the local broker 23 s
    try:
        messages = consumer.consume(n, timeout=60)
        return [(int(m.key() or b""), json.loads(m.value() or b"")) for m in messages]
    finally:
        consumer.close()


def create_topic(bootstrap: str, *topics: str) -> None:
    """Topics with one partition, so that their order is the order of all."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        created.result(timeout=60)


def test_events_arrive_in_order_and_are_marked(
    outbox: Connection[DictRow], settings: Settings, kafka_bootstrap: str
) -> None:
    create_topic(kafka_bootstrap, settings.kafka_topic)
    request_id = ended(outbox, revisions=3)

    done = [publish_waiting_events(outbox, producer(kafka_bootstrap), settings).acknowledged for _ in range(2)]

    assert sum(done) == 3
    assert [key for key, _ in read(kafka_bootstrap, settings.kafka_topic, 3)] == [request_id] * 3
    waiting = outbox.execute("SELECT count(*) AS n FROM final_events WHERE published_at IS NULL").fetchone()
    assert waiting == {"n": 0}


def test_nothing_waits_then_no_producer_is_made(outbox: Connection[DictRow], settings: Settings) -> None:
    def none_is_needed() -> Producer:
        raise AssertionError

    assert publish_waiting_events(outbox, none_is_needed, settings).acknowledged == 0


def test_events_wait_while_the_broker_is_down(outbox: Connection[DictRow], settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    for _ in range(5):
        ended(outbox)
    hasty = settings.model_copy(update={"publish_timeout_seconds": 1})
    down = publish_waiting_events(outbox, producer(f"127.0.0.1:{port}"), hasty)
    assert (down.acknowledged, down.waiting, down.set_aside) == (0, 5, 0)

    with broker(port, tmp_path / "broker.log") as bootstrap:
        create_topic(bootstrap, settings.kafka_topic)
        assert publish_waiting_events(outbox, producer(bootstrap), settings).acknowledged == 5


def test_a_poison_event_is_set_aside_and_blocks_nobody(
    outbox: Connection[DictRow], settings: Settings, kafka_bootstrap: str
) -> None:
    create_topic(kafka_bootstrap, settings.kafka_topic)
    poison = ended(outbox, text="x" * 2_000_000)
    good = ended(outbox)

    done = publish_waiting_events(outbox, producer(kafka_bootstrap), settings)

    assert (done.acknowledged, done.waiting, done.set_aside) == (1, 0, 1)
    assert [key for key, _ in read(kafka_bootstrap, settings.kafka_topic, 1)] == [good]
    row = outbox.execute(
        "SELECT request_id, set_aside_reason FROM final_events WHERE set_aside_at IS NOT NULL"
    ).fetchone()
    assert row is not None
    assert row["request_id"] == poison
    assert "large" in row["set_aside_reason"].lower()


def test_a_document_may_have_a_topic_of_its_own(
    outbox: Connection[DictRow], settings: Settings, kafka_bootstrap: str
) -> None:
    own = f"own-{uuid4().hex}"
    create_topic(kafka_bootstrap, settings.kafka_topic, own)
    request_id = ended(outbox, topic=own)
    publish_waiting_events(outbox, producer(kafka_bootstrap), settings)
    assert [key for key, _ in read(kafka_bootstrap, own, 1)] == [request_id]


def test_a_topic_by_mistake_is_not_created_and_holds_up_nobody(
    outbox: Connection[DictRow], settings: Settings, kafka_bootstrap: str
) -> None:
    """The broker creates topics by itself, for those who do not forbid it."""
    create_topic(kafka_bootstrap, settings.kafka_topic)
    mistake = f"no-such-topic-{uuid4().hex}"
    for _ in range(20):
        ended(outbox, topic=mistake)
    good = ended(outbox)

    done = publish_waiting_events(outbox, producer(kafka_bootstrap), settings)

    assert (done.acknowledged, done.waiting, done.set_aside) == (1, 20, 0)
    assert [key for key, _ in read(kafka_bootstrap, settings.kafka_topic, 1)] == [good]
    assert mistake not in AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=60).topics
    refused = outbox.execute("SELECT topic, last_error FROM event_topics WHERE refused_since IS NOT NULL").fetchall()
    assert refused == [{"topic": mistake, "last_error": "Broker: Unknown topic or partition"}]


def test_two_publishers_at_once_share_nothing(
    outbox: Connection[DictRow], settings: Settings, kafka_bootstrap: str
) -> None:
    create_topic(kafka_bootstrap, settings.kafka_topic)
    ended(outbox)
    ended(outbox, revisions=2)
    outbox.execute("UPDATE final_events SET lease_token = 1, lease_until = now() + interval '1 h' WHERE revision = 1")
    assert publish_waiting_events(outbox, producer(kafka_bootstrap), settings).acknowledged == 0
    outbox.execute("UPDATE final_events SET lease_until = now() - interval '1 s' WHERE revision = 1")
    assert publish_waiting_events(outbox, producer(kafka_bootstrap), settings).acknowledged == 3
