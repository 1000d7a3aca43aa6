"""The consumer: reads every final event at once, through every restart of the broker.

The broker on this machine keeps its messages in memory only. So before it is killed, this reader must have read them
all (``catch_up``). Afterwards the topic starts again (``start_over``).
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from include.local.part import LocalError

LOOK_SECONDS = 0.2
CALL_SECONDS = 5


@dataclass(frozen=True)
class Message:
    """One message of the topic, as it came. ``place`` grows within a partition, restarts of the broker included."""

    key: str
    value: bytes
    place: int

    def content(self) -> Any:
        """Its content; None if it is no JSON."""
        try:
            return json.loads(self.value)
        except ValueError:
            return None


class Reader:
    """A context manager: reads while its block runs. ``messages`` is the fourth ledger."""

    def __init__(self, kafka: dict[str, Any], topic: str) -> None:
        self.messages: list[Message] = []
        self._kafka, self._topic = kafka, topic
        self._ends_read: dict[int, int] = {}  # the offset at which nothing more was there to read, by partition
        self._stop, self._again = Event(), Event()
        self._thread = Thread(target=self._read, name="reader", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(2 * CALL_SECONDS)

    def catch_up(self, patience_seconds: float) -> None:
        """Wait until all messages are read that were in the topic at the call. Raises LocalError.

        The wheel's broker tells the offset after the *first* message of the last batch. So it is not enough to have
        read up to there: the partition's end must have been reached, there or further on.
        """
        deadline = time.monotonic() + patience_seconds
        wanted: dict[int, int] = {}
        while time.monotonic() < deadline:
            wanted = wanted or self._ends()
            if wanted and all(self._ends_read.get(number, 0) >= end for number, end in wanted.items()):
                return
            time.sleep(LOOK_SECONDS)
        raise LocalError(
            f"The reader of {self._topic} did not catch up: it read to {self._ends_read}, not to {wanted}."
        )

    def start_over(self) -> None:
        """Read from the topic's beginning again, because the broker has lost its messages."""
        self._again.set()
        while self._again.is_set() and self._thread.is_alive():
            time.sleep(LOOK_SECONDS / 4)

    def _ends(self) -> dict[int, int]:
        """The end of each partition as the broker tells it; empty where it does not."""
        consumer = self._consumer()
        try:
            return {
                it.partition: consumer.get_watermark_offsets(it, timeout=CALL_SECONDS)[1]
                for it in self._partitions(consumer)
            }
        except KafkaException:
            return {}
        finally:
            consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            self._ends_read = {}
            self._again.clear()
            consumer = self._consumer()
            if partitions := self._await_topic(consumer):
                consumer.assign(partitions)
                while not (self._stop.is_set() or self._again.is_set()):
                    for message in consumer.consume(500, timeout=LOOK_SECONDS):
                        self._take(message)
            consumer.close()

    def _await_topic(self, consumer: Consumer) -> list[TopicPartition]:
        """Wait until the topic is there. Empty where reading has to end or to start over."""
        while not (self._stop.is_set() or self._again.is_set()):
            with suppress(KafkaException):
                if partitions := self._partitions(consumer):
                    return partitions
            self._stop.wait(LOOK_SECONDS)
        return []

    def _partitions(self, consumer: Consumer) -> list[TopicPartition]:
        """All that the topic has, from their beginning.

        A request for a topic by its name would create it, with the broker's default number of partitions. So all topics
        are listed. A publisher that is quicker than the runner may still have created it in that way.
        """
        topic = consumer.list_topics(timeout=CALL_SECONDS).topics.get(self._topic)
        return [TopicPartition(self._topic, number, 0) for number in topic.partitions] if topic else []

    def _take(self, message: Any) -> None:
        if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
            self._ends_read[message.partition()] = message.offset()
        if message.error():
            return  # or the broker is away, or does not know the topic yet: what is there will be read later
        value, key = message.value() or b"", (message.key() or b"").decode(errors="replace")
        self.messages.append(Message(key, value, len(self.messages)))

    def _consumer(self) -> Consumer:
        def told(_: KafkaError) -> None:
            """Drop librdkafka's messages: a killed broker is expected here."""

        return Consumer(
            {
                "bootstrap.servers": self._kafka["bootstrap.servers"],
                "group.id": "oms-chaos",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
                "error_cb": told,
            }
        )
