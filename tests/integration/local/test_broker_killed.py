"""Apache Kafka is killed and started again under load, with its data: no acknowledged event is missing."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from include.local.addresses import PRODUCER
from include.local.chaos.reader import Reader
from tests.containers.kafka import ApacheKafka, NoKafka, apache_kafka

KILLS = 2
EVENTS_BEFORE_A_KILL = 300


def test_no_acknowledged_event_is_missing_and_none_comes_twice(tmp_path: Path) -> None:
    try:
        with apache_kafka(tmp_path) as broker:
            _drive(broker)
    except NoKafka as reason:
        pytest.skip(str(reason))


def _drive(broker: ApacheKafka) -> None:
    topic = f"ends-{uuid4().hex}"
    client = AdminClient({"bootstrap.servers": broker.bootstrap})
    [made] = client.create_topics([NewTopic(topic, 3, 1)]).values()
    made.result()
    with Reader({"bootstrap.servers": broker.bootstrap}, topic) as reader, Load(broker.bootstrap, topic) as load:
        for number in range(1, KILLS + 1):
            load.wait_for(number * EVENTS_BEFORE_A_KILL)
            broker.kill()
            broker.start()
        load.wait_for((KILLS + 1) * EVENTS_BEFORE_A_KILL)
        load.stop()
        reader.catch_up(60)
        read = [message.key for message in reader.messages]
        assert set(load.acknowledged) <= set(read)
        assert len(read) == len(set(read)), "the producer is idempotent"


class Load:
    """A context manager: produces while its block runs, as the jobs do; remembers what was acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.acknowledged: list[str] = []
        self._topic = topic
        self._producer = Producer({**PRODUCER, "bootstrap.servers": bootstrap, "log_level": 0})
        self._stop, self._more = Event(), Event()
        self._thread = Thread(target=self._produce, daemon=True)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait_for(self, count: int) -> None:
        """Until so many are acknowledged; the broker has two minutes for the next one."""
        while len(self.acknowledged) < count:
            self._more.clear()
            assert self._more.wait(120), f"{len(self.acknowledged)} acknowledged, not {count}"

    def stop(self) -> None:
        """No more; what is under way is waited for."""
        self._stop.set()
        self._thread.join(120)

    def _produce(self) -> None:
        number = 0
        while not self._stop.is_set():
            key = str(number)
            self._producer.produce(self._topic, key=key, value=b"{}", on_delivery=self._delivered)
            self._producer.poll(0.002)
            number += 1
        assert self._producer.flush(120) == 0

    def _delivered(self, error: object, message: object) -> None:
        if error is None:
            self.acknowledged.append(message.key().decode())  # type: ignore[attr-defined]
            self._more.set()
