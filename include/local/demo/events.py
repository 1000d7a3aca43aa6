"""The final events, read back from Kafka as any consumer would."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from include.local.part import LocalError

QUIET_SECONDS = 2  # after the last event that is waited for: one too many would show by then
METADATA_SECONDS = 10


@dataclass(frozen=True)
class Event:
    """One message of the topic."""

    key: str
    event: dict[str, Any]
    at: float  # seconds since the epoch, when it was produced

    @property
    def request_id(self) -> int:
        """The request it is about."""
        return int(self.event["subject"])


def read_events(kafka: dict[str, Any], topic: str, wanted: Collection[int], patience_seconds: float) -> list[Event]:
    """Every event about the wanted requests, from the topic's beginning until each has one.

    Returns what there is when patience ends. Raises LocalError where the topic cannot be read.
    """
    found: list[Event] = []
    missing = set(wanted)
    deadline = time.monotonic() + patience_seconds
    with _consumer(kafka, topic) as consumer:
        while time.monotonic() < deadline:
            for message in consumer.consume(500, timeout=0.5):
                if message.error():
                    raise LocalError(f"Topic {topic} cannot be read: {message.error()}")
                event = _event(message)
                if event.request_id in wanted:
                    found.append(event)
                    if event.request_id in missing:
                        missing.remove(event.request_id)
                        deadline = deadline if missing else time.monotonic() + QUIET_SECONDS
    return found


def _event(message: Any) -> Event:
    return Event((message.key() or b"").decode(), json.loads(message.value()), message.timestamp()[1] / 1000)


@contextmanager
def _consumer(kafka: dict[str, Any], topic: str) -> Iterator[Consumer]:
    """One that reads all partitions from their beginning, without a group's bookkeeping."""
    connection = {
        key: value for key, value in kafka.items() if key.startswith(("bootstrap.", "security.", "sasl", "ssl"))
    }
    consumer = Consumer({**connection, "group.id": "oms-demo", "enable.auto.commit": False, "log_level": 0})
    try:
        partitions = consumer.list_topics(topic, timeout=METADATA_SECONDS).topics[topic].partitions
        consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
        yield consumer
    except KafkaException as error:
        raise LocalError(f"Topic {topic} cannot be read: {error}") from error
    finally:
        consumer.close()
