"""The outbox: final events to Kafka, each acknowledged by the broker before it is marked as published.

A publisher claims events by a lease, sends them and marks them; no transaction is open while it waits for the broker.
An event waits for the earlier ones of its request, so a request's ends keep their order, whichever task publishes them.

A failure holds up nothing but its own:

- a topic that takes nothing backs off, with all its events: 5, 10, 20 ... 60 s. Topics take turns, so the others go on.
- a topic that the broker calls missing or forbidden for ``TOPIC_REFUSED_SECONDS`` has its events set aside
- an event that fails while others of its topic get through backs off alone, and is set aside after 8 failures
- an event that the broker will never take, or whose topic is not allowed, is set aside at once

What is set aside keeps its reason and waits for an operator, who releases it in the console. A reason is a sentence of
ours, or librdkafka's own text for its error code: never a text of the broker. An event has the same id however often it
is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg import Connection
from psycopg.rows import DictRow

from include.oms.base.clock import awake_or_asleep
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.ending.promise import BUCKET_SECONDS, MOST_COUNTED_PAIRS
from include.oms.ending.runs import complete_run
from include.oms.ending.topics import topic_fault

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

MOST_EVENTS_A_CLAIM = 1000
MOST_BYTES_A_CLAIM = 8 * 1024 * 1024  # of the events' JSON; a worker holds some three copies of it at once
MOST_CLAIMS_A_CALL = 200  # what is left then is published by the next call
EVENTS_ON_PROBATION = 10  # of a topic that took nothing: several, so that one bad event cannot keep it shut
TOPIC_REFUSED_SECONDS = 600.0  # a topic that has been refused for so long has its events set aside
TOPIC_BACKOFF_BASE_SECONDS = 5.0
TOPIC_BACKOFF_MAX_SECONDS = 60.0  # so soon is it noticed that a broker is back
MOST_FAILURES_OF_AN_EVENT = 8
PURGE_SECONDS = 1.0
NO_ANSWER = "no acknowledgement in time"
CONTENT_TYPE = ("content-type", b"application/cloudevents+json")

# The broker will never take this message. It says so of a whole batch, so it counts once the message was sent alone.
NEVER_TAKEN = frozenset({"MSG_SIZE_TOO_LARGE", "_MSG_SIZE_TOO_LARGE", "INVALID_MSG", "INVALID_RECORD"})
# There is no such topic, or not for us.
TOPIC_REFUSED = frozenset(
    {
        "UNKNOWN_TOPIC_OR_PART", "_UNKNOWN_TOPIC", "_UNKNOWN_PARTITION", "TOPIC_AUTHORIZATION_FAILED",
        "INVALID_TOPIC_EXCEPTION", "TOPIC_EXCEPTION",
    }
)  # fmt: skip
# The producer gave the message up: the broker has not said anything about it.
GIVEN_UP = frozenset({"_PURGE_QUEUE", "_PURGE_INFLIGHT", "_MSG_TIMED_OUT"})


def producer_config(settings: Settings) -> dict[str, Any]:
    """What librdkafka must be told, whatever the Connection says.

    Idempotent, acknowledged by all replicas, and given up before the flush is. No topic is created by a wrong name: a
    missing topic is an error, known after a second.
    """
    return {
        "acks": "all",
        "enable.idempotence": True,
        "delivery.timeout.ms": round(settings.publish_timeout_seconds * 800),
        "allow.auto.create.topics": False,
        "topic.metadata.propagation.max.ms": 1000,
    }


@dataclass
class Delivery:
    """What became of one event. Called by the producer as its delivery report."""

    event_seq: int
    topic: str  # as event_topics has it: empty for the default topic
    is_alone: bool = False  # no other event was on its way with it
    acknowledged: bool = False
    was_sent: bool = True
    reason: str = NO_ANSWER
    error: str = ""  # the KafkaError's name
    set_aside: bool = False
    producer_is_broken: bool = False

    def __call__(self, error: KafkaError | None, _message: Any) -> None:
        """The producer's delivery report."""
        self.acknowledged = error is None
        if error is not None:
            self._failed(error)
            self.set_aside = self.is_alone and self.error in NEVER_TAKEN

    def raised(self, error: Exception) -> None:
        """The producer did not accept the message."""
        if error.args and hasattr(error.args[0], "fatal"):  # a KafkaException
            self._failed(error.args[0])
        else:
            self.reason = f"the producer does not take it: {type(error).__name__}"  # its text may quote the event
        self.set_aside = self.error in NEVER_TAKEN

    def _failed(self, error: KafkaError) -> None:
        self.error, self.producer_is_broken = error.name(), error.fatal()
        self.reason = NO_ANSWER if self.error in GIVEN_UP else type(error)(error.code()).str()


@dataclass(frozen=True)
class Published:
    """What one call came to. A producer that is broken must be made anew."""

    acknowledged: int = 0
    waiting: int = 0
    set_aside: int = 0
    reason: str | None = None
    producer_is_broken: bool = False


def publish_waiting_events(
    connection: Connection[DictRow],
    producer_for: Callable[[], Producer],
    settings: Settings,
) -> Published:
    """Publish what is due, in the order of the ends; nothing while Kafka is paused.

    ``connection`` is in autocommit mode. No producer is made where nothing is due. Each claim takes
    ``publish_timeout_seconds`` at most where the broker keeps silent. Raises psycopg.Error; what was claimed is then
    published again once its lease has run out.
    """
    total, failed_topics, most_events = Published(), set[str](), MOST_EVENTS_A_CLAIM
    for _ in range(MOST_CLAIMS_A_CALL):
        complete_run(connection, None, settings.kafka_run_topic)  # before the look: its event is due, too
        if not _fetch(connection, "events_are_due")[0]["events_are_due"]:
            break
        producer = producer_for()
        publishing = _Publishing(connection, producer, settings)
        deliveries = publishing.claim_and_send(not_topics=failed_topics, most_events=most_events)
        if not deliveries:
            break
        # A claim measures as many events as it may take: where they are huge, the next one measures fewer.
        most_events = min(MOST_EVENTS_A_CLAIM, max(2 * len(deliveries), 20))
        failed_topics |= publishing.note(deliveries)
        total = _sum(total, deliveries)
        if total.producer_is_broken:
            break
    return replace(total, set_aside=total.set_aside + _set_aside_refused(connection))


class _Publishing:
    """One claim: the events of one lease."""

    def __init__(self, connection: Connection[DictRow], producer: Producer, settings: Settings) -> None:
        self._connection = connection
        self._producer = producer
        self._settings = settings
        self._lease_seconds = 3 * (settings.publish_timeout_seconds + PURGE_SECONDS) + 5
        self._lease_ends_at = 0.0
        self._lease_token = 0

    def claim_and_send(self, *, not_topics: set[str], most_events: int) -> list[Delivery]:
        """Claim events, send them, wait for the broker. Those that failed before go one by one, after the others."""
        self._lease_ends_at = awake_or_asleep() + self._lease_seconds
        events = _fetch(
            self._connection, "claim_waiting_events", limit=most_events, on_probation=EVENTS_ON_PROBATION,
            most_bytes=MOST_BYTES_A_CLAIM, lease_seconds=self._lease_seconds, not_topics=list(not_topics),
        )  # fmt: skip
        if not events:
            return []
        self._lease_token = events[0]["lease_token"]
        deliveries = self._send([event for event in events if not event["failures"]])
        for event in events:
            if event["failures"]:
                deliveries += self._send([event])
        return deliveries

    def _send(self, events: Sequence[DictRow]) -> list[Delivery]:
        """Send these together, while the lease surely outlives the wait for the broker."""
        if awake_or_asleep() + self._settings.publish_timeout_seconds + PURGE_SECONDS > self._lease_ends_at:
            return [_not_sent(event, "there was not time enough") for event in events]
        deliveries = [self._produce(event, is_alone=len(events) == 1) for event in events]
        if events and self._producer.flush(self._settings.publish_timeout_seconds):
            self._producer.purge()  # what was given up must not arrive after a later event of its request
            self._producer.flush(PURGE_SECONDS)
        return deliveries

    def _produce(self, event: DictRow, *, is_alone: bool) -> Delivery:
        topic = event["topic"] or self._settings.kafka_topic
        if fault := topic_fault(topic, self._settings):
            return replace(_not_sent(event, fault), set_aside=True)
        delivery = Delivery(event["event_seq"], event["topic"] or "", is_alone)
        headers: list[tuple[str, str | bytes | None]] = [CONTENT_TYPE]
        if event["traceparent"]:
            headers.append(("traceparent", event["traceparent"].encode()))
        try:
            self._producer.produce(
                topic,
                key=str(event["request_id"] or f"run-{event['run_id']}"),
                value=event["event"].encode(),
                headers=headers,
                on_delivery=delivery,
            )
            self._producer.poll(0)
        except BufferError:
            return _not_sent(event, "the producer's queue is full")
        except Exception as error:  # noqa: BLE001 - one event that cannot be sent must not hold up the rest
            delivery.raised(error)
        return delivery

    def note(self, deliveries: Sequence[Delivery]) -> set[str]:
        """Write what became of each event and of each topic; the topics that took nothing."""
        take_events = {delivery.topic for delivery in deliveries if delivery.acknowledged}
        failed = [delivery for delivery in deliveries if not delivery.acknowledged]
        by_itself = [
            delivery.was_sent and (delivery.topic in take_events or delivery.error in NEVER_TAKEN)
            for delivery in failed
        ]
        shut = {
            delivery.topic: delivery
            for delivery, its_own in zip(failed, by_itself, strict=True)
            if delivery.was_sent and not its_own and not delivery.set_aside
        }
        if take_events:
            done = [delivery.event_seq for delivery in deliveries if delivery.acknowledged]
            self._connection.execute(
                query("mark_published"),
                {"event_seqs": done, "bounds": list(BUCKET_SECONDS), "most_pairs": MOST_COUNTED_PAIRS},
            )
            self._connection.execute(query("topics_take_events"), {"topics": list(take_events)})
        if shut:
            self._connection.execute(
                query("topics_took_nothing"),
                {
                    "topics": list(shut),
                    "refused": [delivery.error in TOPIC_REFUSED for delivery in shut.values()],
                    "errors": [delivery.reason for delivery in shut.values()],
                    "base_seconds": TOPIC_BACKOFF_BASE_SECONDS,
                    "maximum_seconds": TOPIC_BACKOFF_MAX_SECONDS,
                },
            )
        if failed:
            self._put_back(failed, by_itself)
        return set(shut)

    def _put_back(self, failed: Sequence[Delivery], by_itself: Sequence[bool]) -> None:
        put_back = _fetch(
            self._connection,
            "put_back_events",
            event_seqs=[delivery.event_seq for delivery in failed],
            reasons=[delivery.reason for delivery in failed],
            for_good=[delivery.set_aside for delivery in failed],
            by_itself=list(by_itself),
            lease_token=self._lease_token,
            most_failures=MOST_FAILURES_OF_AN_EVENT,
            base_seconds=self._settings.backoff_base_seconds,
            maximum_seconds=self._settings.backoff_max_seconds,
        )
        set_aside = {row["event_seq"] for row in put_back if row["is_set_aside"]}
        for delivery in failed:
            delivery.set_aside = delivery.event_seq in set_aside


def _not_sent(event: DictRow, reason: str) -> Delivery:
    return Delivery(event["event_seq"], event["topic"] or "", was_sent=False, reason=reason)


def _sum(total: Published, deliveries: Sequence[Delivery]) -> Published:
    acknowledged = sum(delivery.acknowledged for delivery in deliveries)
    set_aside = sum(delivery.set_aside for delivery in deliveries)
    return Published(
        total.acknowledged + acknowledged,
        total.waiting + len(deliveries) - acknowledged - set_aside,
        total.set_aside + set_aside,
        next((delivery.reason for delivery in deliveries if not delivery.acknowledged), total.reason),
        any(delivery.producer_is_broken for delivery in deliveries),
    )


def _set_aside_refused(connection: Connection[DictRow]) -> int:
    """Set aside the events of topics that have been refused for long; how many."""
    limits = {"limit": MOST_EVENTS_A_CLAIM, "refused_seconds": TOPIC_REFUSED_SECONDS}
    total = 0
    while n := connection.execute(query("set_aside_refused"), limits).rowcount:
        total += n
    return total


def _fetch(connection: Connection[DictRow], name: str, **values: Any) -> list[DictRow]:
    return connection.execute(query(name), values).fetchall()
