"""The demo's consumer, against a real broker."""

from __future__ import annotations

import json
import time
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from include.local.broker import create_topics
from include.local.demo.events import read_events

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """A topic of the test's own."""
    name = f"events-{uuid4().hex}"
    client = AdminClient({"bootstrap.servers": kafka_bootstrap})
    create_topics(client, name)
    create_topics(client, name)  # twice does no harm
    return name


def produce(bootstrap: str, topic: str, request_ids: list[int]) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True})
    for request_id in request_ids:
        producer.produce(topic, json.dumps({"subject": str(request_id)}), key=str(request_id))
    assert producer.flush(10) == 0


def read(bootstrap: str, topic: str, wanted: set[int], patience_seconds: float = 60) -> list[int]:
    events = read_events({"bootstrap.servers": bootstrap, "acks": "all"}, topic, wanted, patience_seconds)
    assert all(abs(time.time() - event.at) < 60 for event in events)
    return sorted(event.request_id for event in events)


def test_every_wanted_event_is_read_and_doubles_are_not_hidden(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, [1, 2, 3, 2, 4])
    assert read(kafka_bootstrap, topic, {1, 2, 4}) == [1, 2, 2, 4]


def test_patience_ends_where_one_is_missing(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, [1])
    assert read(kafka_bootstrap, topic, {1, 2}, patience_seconds=1) in ([1], [])
