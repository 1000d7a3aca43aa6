"""Chaos's reader, which keeps the fourth ledger: it reads all there is, on both brokers, in each partition's order."""

from __future__ import annotations

from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from include.local.addresses import PRODUCER
from include.local.chaos.reader import Reader

PARTITIONS = 3
CATCH_UP_SECONDS = 60


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    """A topic of the test's own."""
    name = f"ends-{uuid4().hex}"
    create(kafka_bootstrap, name)
    return name


def create(bootstrap: str, topic: str) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap})  # it has to live until the result is there
    [made] = client.create_topics([NewTopic(topic, PARTITIONS, 1)]).values()
    made.result()


def produce(bootstrap: str, topic: str, numbers: range) -> None:
    """Each key is in one partition; a key's messages are numbered as they are sent."""
    producer = Producer({**PRODUCER, "bootstrap.servers": bootstrap})
    for number in numbers:
        producer.produce(topic, key=f"key {number % 7}", value=str(number))
    assert producer.flush(CATCH_UP_SECONDS) == 0


def by_key(reader: Reader) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for message in reader.messages:
        found.setdefault(message.key, []).append(int(message.content()))
    return found


def expected(numbers: range) -> dict[str, list[int]]:
    return {f"key {rest}": [it for it in numbers if it % 7 == rest] for rest in range(7)}


def test_it_reads_what_was_there_and_what_comes_in_each_key_s_order(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, range(700))
    with Reader({"bootstrap.servers": kafka_bootstrap}, topic) as reader:
        reader.catch_up(CATCH_UP_SECONDS)
        assert by_key(reader) == expected(range(700))
        produce(kafka_bootstrap, topic, range(700, 1400))
        reader.catch_up(CATCH_UP_SECONDS)
        assert by_key(reader) == expected(range(1400))
    assert [message.place for message in reader.messages] == list(range(1400))


def test_it_waits_for_a_topic_that_is_not_there_and_does_not_make_it(kafka_bootstrap: str) -> None:
    topic = f"ends-{uuid4().hex}"
    with Reader({"bootstrap.servers": kafka_bootstrap}, topic) as reader:
        assert topic not in AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=10).topics
        create(kafka_bootstrap, topic)
        produce(kafka_bootstrap, topic, range(70))
        reader.catch_up(CATCH_UP_SECONDS)
    assert by_key(reader) == expected(range(70))


def test_it_starts_over_and_keeps_what_it_has_read(kafka_bootstrap: str, topic: str) -> None:
    produce(kafka_bootstrap, topic, range(70))
    with Reader({"bootstrap.servers": kafka_bootstrap}, topic) as reader:
        reader.catch_up(CATCH_UP_SECONDS)
        reader.start_over()
        reader.catch_up(CATCH_UP_SECONDS)
    assert len(reader.messages) == 140
    assert by_key(reader) == {key: numbers * 2 for key, numbers in expected(range(70)).items()}
