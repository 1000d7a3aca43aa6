"""The outbox: final events to Kafka, each acknowledged by the broker before it is marked as published.

The producer is idempotent and keyed by request, so that a request's events keep their order. What is not
acknowledged waits for the next run; what the broker will never take is set aside, and blocks nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import DictRow

from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.outside.answers import clean_text

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

EVENTS_A_TRANSACTION = 1000
CONTENT_TYPE = ("content-type", b"application/cloudevents+json")


# The broker will not change its mind about these: the message itself is wrong.
REFUSED_FOR_GOOD = frozenset(
    {
        "MSG_SIZE_TOO_LARGE",
        "_MSG_SIZE_TOO_LARGE",
        "INVALID_MSG",
        "INVALID_RECORD",
        "INVALID_TOPIC_EXCEPTION",
        "TOPIC_EXCEPTION",
    }
)


@dataclass
class Delivery:
    """What became of one event."""

    event_seq: int
    acknowledged: bool = False
    reason: str | None = None
    for_good: bool = False

    def __call__(self, error: KafkaError | None, _message: Any) -> None:
        """The producer's delivery report."""
        self.acknowledged = error is None
        if error is not None:
            self.reason = clean_text(error.str())
            self.for_good = error.name() in REFUSED_FOR_GOOD


@dataclass(frozen=True)
class Published:
    """What one pass over the outbox came to."""

    acknowledged: int = 0
    waiting: int = 0
    set_aside: int = 0
    reason: str | None = None


def publish_waiting_events(
    connection: Connection[DictRow],
    producer_for: Callable[[], Producer],
    settings: Settings,
) -> Published:
    """Publish what waits, in the order of the ends.

    No producer is made where nothing waits. Returns when the broker has acknowledged, refused or kept silent for
    ``publish_timeout_seconds``. Raises psycopg.Error.
    """
    total = Published()
    producer: Producer | None = None
    while True:
        with connection.transaction():
            events = connection.execute(query("take_waiting_events"), {"limit": EVENTS_A_TRANSACTION}).fetchall()
            if not events:
                return total
            producer = producer or producer_for()
            deliveries = [_produce(producer, event, settings.kafka_topic) for event in events]
            if producer.flush(settings.publish_timeout_seconds):
                producer.purge()  # what was given up must not arrive after a later event of its request
                producer.flush(1)
            total = _mark(connection, deliveries, total)
        if total.waiting:
            return total


def _produce(producer: Producer, event: DictRow, default_topic: str) -> Delivery:
    delivery = Delivery(event["event_seq"])
    headers: list[tuple[str, str | bytes | None]] = [CONTENT_TYPE]
    if event["traceparent"]:
        headers.append(("traceparent", event["traceparent"].encode()))
    try:
        producer.produce(
            event["topic"] or default_topic,
            key=str(event["request_id"]),
            value=event["event"].encode(),
            headers=headers,
            on_delivery=delivery,
        )
        producer.poll(0)
    except BufferError:
        delivery.reason = "the producer's queue is full"
    except Exception as error:  # noqa: BLE001 - one event that cannot be sent must not hold up the rest
        delivery.reason, delivery.for_good = clean_text(str(error)), _name_of(error) in REFUSED_FOR_GOOD
    return delivery


def _name_of(error: Exception) -> str:
    """The name of the KafkaError that a KafkaException carries; empty for anything else."""
    name = getattr(error.args[0] if error.args else None, "name", None)
    return str(name()) if callable(name) else ""


def _mark(connection: Connection[DictRow], deliveries: list[Delivery], total: Published) -> Published:
    done = [delivery.event_seq for delivery in deliveries if delivery.acknowledged]
    refused = [delivery for delivery in deliveries if not delivery.acknowledged]
    if done:
        connection.execute(query("mark_published"), {"event_seqs": done})
    if refused:
        connection.execute(
            query("mark_unpublished"),
            {
                "event_seqs": [delivery.event_seq for delivery in refused],
                "reasons": [delivery.reason or "no acknowledgement in time" for delivery in refused],
                "for_good": [delivery.for_good for delivery in refused],
            },
        )
    set_aside = sum(delivery.for_good for delivery in refused)
    return Published(
        total.acknowledged + len(done),
        total.waiting + len(refused) - set_aside,
        total.set_aside + set_aside,
        next((delivery.reason or "no acknowledgement in time" for delivery in refused), total.reason),
    )
