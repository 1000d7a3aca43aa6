"""What cannot be published holds up nothing but its own: topics, events, batches, a broker that keeps silent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from confluent_kafka import KafkaError, Producer
from psycopg import Connection
from psycopg.rows import DictRow, dict_row

from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.ending.outbox import (
    EVENTS_ON_PROBATION,
    MOST_BYTES_A_CLAIM,
    MOST_EVENTS_A_CLAIM,
    MOST_FAILURES_OF_AN_EVENT,
    Published,
    publish_waiting_events,
)
from tests.integration.jobs.test_outbox import ended

MIB = 1024 * 1024


@dataclass
class Message:
    """One that the producer was given."""

    topic: str
    key: int
    value: bytes
    report: Callable[[KafkaError | None, None], None]


@dataclass
class FakeBroker:
    """A producer whose broker answers as scripted: the error's code for a batch, None for an acknowledgement.

    ``answer`` gets a message and the batch that it came in; "silent": no answer ever comes.
    """

    answer: Callable[[Message, list[Message]], int | str | None] = lambda _, __: None
    meanwhile: Callable[[], None] = lambda: None
    sent: list[Message] = field(default_factory=list)
    batches: list[list[Message]] = field(default_factory=list)
    waiting: list[Message] = field(default_factory=list)
    purged: int = 0
    fatal: bool = False

    def __call__(self) -> Producer:
        return self  # type: ignore[return-value]

    def produce(self, topic: str, *, key: str, value: bytes, on_delivery: Any, **_: Any) -> None:
        self.waiting.append(Message(topic, int(key), value, on_delivery))

    def poll(self, _: float) -> int:
        return 0

    def flush(self, _: float) -> int:
        batch, self.waiting = self.waiting, []
        if batch:
            self.batches.append(batch)
            self.meanwhile()
        for message in batch:
            answer = self.answer(message, batch)
            if answer == "silent":
                self.waiting.append(message)
            elif answer is None:
                self.sent.append(message)
                message.report(None, None)
            else:
                message.report(KafkaError(answer, fatal=self.fatal), None)
        return len(self.waiting)

    def purge(self) -> None:
        self.purged += len(self.waiting)
        for message in self.waiting:
            message.report(KafkaError(KafkaError._PURGE_QUEUE), None)
        self.waiting = []


def refusing(bad: str, code: int | str) -> FakeBroker:
    """A broker that refuses one topic."""
    return FakeBroker(lambda message, _: code if message.topic == bad else None)


@pytest.fixture
def outbox(oms_database_url: str) -> Iterator[Connection[DictRow]]:
    """The OMS Database as a publisher sees it."""
    with psycopg.connect(oms_database_url, autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def settings() -> Settings:
    return Settings(kafka_topic="good", publish_timeout_seconds=2)


def time_passes(outbox: Connection[DictRow]) -> None:
    """Every back-off is over."""
    outbox.execute("UPDATE event_topics SET next_try_at = now() - interval '1 s'")
    outbox.execute("UPDATE final_events SET next_try_at = now() - interval '1 s' WHERE next_try_at IS NOT NULL")


def one(outbox: Connection[DictRow], sql: str) -> Any:
    (row,) = outbox.execute(sql).fetchall()
    return next(iter(row.values()))


def publish(outbox: Connection[DictRow], broker: FakeBroker, settings: Settings) -> Published:
    return publish_waiting_events(outbox, broker, settings)


BAD = [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError._MSG_TIMED_OUT, "silent"]


@pytest.mark.parametrize("code", BAD)
@pytest.mark.parametrize("number", [MOST_EVENTS_A_CLAIM - 1, MOST_EVENTS_A_CLAIM + 500])
def test_a_bad_topic_holds_up_no_other(
    outbox: Connection[DictRow],
    settings: Settings,
    number: int,
    code: int | str,
) -> None:
    for _ in range(number):
        ended(outbox, topic="bad")
    good = ended(outbox)
    broker = refusing("bad", code)
    publish(outbox, broker, settings)
    assert [message.key for message in broker.sent] == [good]
    tried = sum(map(len, broker.batches))
    time_passes(outbox)
    publish(outbox, broker, settings)
    assert sum(map(len, broker.batches)) == tried + EVENTS_ON_PROBATION
    assert publish(outbox, broker, settings) == Published(), "the topic backs off"


def test_a_topic_that_takes_events_again_gets_them_all_in_order(
    outbox: Connection[DictRow],
    settings: Settings,
) -> None:
    keys = [ended(outbox, topic="bad") for _ in range(50)]
    publish(outbox, refusing("bad", "silent"), settings)
    broker = FakeBroker()
    assert publish(outbox, broker, settings).acknowledged == 50, "the first failure costs no wait"
    assert [message.key for message in broker.sent] == keys
    assert one(outbox, "SELECT count(*) FROM event_topics") == 0


def test_a_topics_back_off_grows_and_is_bounded(outbox: Connection[DictRow], settings: Settings) -> None:
    ended(outbox, topic="bad")
    waits = []
    for _ in range(7):
        publish(outbox, refusing("bad", "silent"), settings)
        waits.append(one(outbox, "SELECT round(extract(epoch FROM next_try_at - now())) FROM event_topics"))
        time_passes(outbox)
    assert waits == [0, 5, 10, 20, 40, 60, 60]
    assert one(outbox, "SELECT count(*) FROM final_events WHERE set_aside_at IS NULL") == 1, "an outage ends"


def test_what_is_refused_for_long_is_set_aside_with_its_reason_and_released_by_a_person(
    outbox: Connection[DictRow],
    settings: Settings,
) -> None:
    overtaken = ended(outbox, topic="bad")
    others = [ended(outbox, topic="bad") for _ in range(2 * EVENTS_ON_PROBATION)]
    broker = refusing("bad", KafkaError.TOPIC_AUTHORIZATION_FAILED)
    publish(outbox, broker, settings)
    assert one(outbox, "SELECT count(*) FROM final_events WHERE set_aside_at IS NULL") == 1 + len(others)
    outbox.execute("UPDATE event_topics SET refused_since = now() - interval '1 day'")
    time_passes(outbox)
    assert publish(outbox, broker, settings).set_aside == 1 + len(others)
    reason = "Broker: Topic authorization failed"
    (group,) = outbox.execute(query("outbox_by_topic")).fetchall()
    assert (group["topic"], group["is_set_aside"], group["reason"]) == ("bad", True, reason)

    outbox.execute(
        """INSERT INTO final_events (request_id, revision, event_id, event, published_at)
           VALUES (%s, 2, gen_random_uuid(), '{}', now())""",
        [overtaken],
    )
    release = {"topic": "bad", "reason": reason, "limit": 1000}
    released = outbox.execute(query("release_set_aside"), release).fetchone()
    assert released == {"chosen": 1 + len(others), "released": len(others)}
    broker = FakeBroker()
    publish(outbox, broker, settings)
    assert [message.key for message in broker.sent] == others, "an old end does not follow a newer one"


def test_an_event_that_fails_alone_backs_off_alone_and_is_set_aside(
    outbox: Connection[DictRow],
    settings: Settings,
) -> None:
    poison = ended(outbox)
    ended(outbox)
    broker = FakeBroker(lambda message, _: KafkaError.UNKNOWN if message.key == poison else None)
    publish(outbox, broker, settings)
    tries = len(broker.batches)
    assert publish(outbox, broker, settings) == Published(), "it backs off"
    for _ in range(MOST_FAILURES_OF_AN_EVENT + 2):
        ended(outbox)
        time_passes(outbox)
        publish(outbox, broker, settings)
    assert one(outbox, "SELECT request_id FROM final_events WHERE set_aside_at IS NOT NULL") == poison
    assert sum(len(batch) == 1 and batch[0].key == poison for batch in broker.batches[tries:]) == 7


def test_a_batch_that_is_refused_for_one_event_costs_the_others_a_moment(
    outbox: Connection[DictRow],
    settings: Settings,
) -> None:
    """The broker refuses the batch as a whole, and does not say which message it was."""
    poison = ended(outbox)
    good = [ended(outbox) for _ in range(5)]

    def answer(_: Message, batch: list[Message]) -> int | None:
        return KafkaError.MSG_SIZE_TOO_LARGE if poison in {message.key for message in batch} else None

    broker = FakeBroker(answer)
    assert publish(outbox, broker, settings).set_aside == 0
    time_passes(outbox)
    done = publish(outbox, broker, settings)
    assert (done.acknowledged, done.set_aside) == (5, 1)
    assert [message.key for message in broker.sent] == good


@pytest.mark.parametrize(
    "topic", ["__consumer_offsets", "__x", "not allowed", "ä", "..", "a\nb", "ours.x\n", "x" * 250, "theirs.x"]
)
def test_a_topic_that_is_not_allowed_is_never_tried(outbox: Connection[DictRow], topic: str) -> None:
    settings = Settings(kafka_topic="good", kafka_topic_pattern=r"ours\..+|_.*|\.\.")
    ended(outbox, topic=topic)
    ended(outbox, topic="ours.x")
    broker = FakeBroker()
    done = publish(outbox, broker, settings)
    assert [message.topic for message in broker.sent] == ["ours.x"]
    assert (done.acknowledged, done.set_aside) == (1, 1)
    assert "TOPIC_NAME" in one(outbox, "SELECT set_aside_reason FROM final_events WHERE set_aside_at IS NOT NULL")


def test_nothing_is_sent_while_kafka_is_paused(outbox: Connection[DictRow], settings: Settings) -> None:
    ended(outbox)
    outbox.execute("UPDATE outside_systems SET paused_at = now(), paused_by = 'ann' WHERE system = 'KAFKA'")
    broker = FakeBroker()
    assert publish(outbox, broker, settings) == Published()
    assert one(outbox, query("events_are_due")) is False, "no run is made for it"
    outbox.execute("UPDATE outside_systems SET paused_at = NULL, paused_by = NULL WHERE system = 'KAFKA'")
    assert publish(outbox, broker, settings).acknowledged == 1


def test_no_transaction_is_open_and_no_event_in_other_hands_while_the_broker_is_waited_for(
    outbox: Connection[DictRow],
    settings: Settings,
    oms_database_url: str,
) -> None:
    ended(outbox, revisions=2)
    ended(outbox)
    with psycopg.connect(oms_database_url, autocommit=True, row_factory=dict_row) as other:
        pid, states, meanwhile = outbox.info.backend_pid, [], FakeBroker()

        def look() -> None:
            found = other.execute("SELECT state FROM pg_stat_activity WHERE pid = %s", [pid]).fetchone()
            states.append(found and found["state"])
            publish(other, meanwhile, settings)

        publish(outbox, FakeBroker(meanwhile=look), settings)
    assert set(states) == {"idle"}
    assert meanwhile.sent == []


def test_what_a_dead_publisher_had_in_hand_is_published_when_its_lease_is_over(
    outbox: Connection[DictRow],
    settings: Settings,
) -> None:
    class Died(BaseException): ...

    def die() -> None:
        raise Died

    ended(outbox)
    with pytest.raises(Died):
        publish(outbox, FakeBroker(meanwhile=die), settings)
    broker = FakeBroker()
    assert publish(outbox, broker, settings) == Published()
    outbox.execute("UPDATE final_events SET lease_until = now() - interval '1 s'")
    assert publish(outbox, broker, settings).acknowledged == 1


def test_memory_is_bounded_by_bytes(outbox: Connection[DictRow], settings: Settings) -> None:
    for _ in range(20):
        ended(outbox, text="x" * MIB)
    ended(outbox, text="x" * (MOST_BYTES_A_CLAIM + MIB))
    broker = FakeBroker()
    assert publish(outbox, broker, settings).acknowledged == 21
    sizes = [sum(len(message.value) for message in batch) for batch in broker.batches]
    assert all(size <= MOST_BYTES_A_CLAIM or len(batch) == 1 for size, batch in zip(sizes, broker.batches, strict=True))


def test_a_producer_that_is_broken_is_told_of(outbox: Connection[DictRow], settings: Settings) -> None:
    ended(outbox)
    broken = FakeBroker(lambda _, __: KafkaError.UNKNOWN_PRODUCER_ID, fatal=True)
    assert publish(outbox, broken, settings).producer_is_broken
    assert not publish(outbox, FakeBroker(), settings).producer_is_broken


def test_publishers_at_once_neither_double_nor_reorder(
    outbox: Connection[DictRow],
    settings: Settings,
    oms_database_url: str,
) -> None:
    for _ in range(100):
        ended(outbox, revisions=3)
    broker, gate = FakeBroker(), threading.Barrier(3)

    def run() -> None:
        mine = FakeBroker()

        def acknowledge(message: Message, _: list[Message]) -> None:
            broker.sent.append(message)

        mine.answer = acknowledge
        with psycopg.connect(oms_database_url, autocommit=True, row_factory=dict_row) as connection:
            gate.wait()
            while one(connection, "SELECT count(*) FROM final_events WHERE published_at IS NULL"):
                publish(connection, mine, settings)

    outbox.execute("UPDATE final_events SET event = to_json(revision)")
    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(broker.sent) == 300
    by_request: dict[int, list[bytes]] = {}
    for message in broker.sent:
        by_request.setdefault(message.key, []).append(message.value)
    assert Counter(map(tuple, by_request.values())) == {(b"1", b"2", b"3"): 100}


def test_what_one_publisher_has_in_hand_keeps_no_other_from_the_rest(
    outbox: Connection[DictRow],
    settings: Settings,
) -> None:
    for _ in range(MOST_EVENTS_A_CLAIM):
        ended(outbox)
    outbox.execute("UPDATE final_events SET lease_token = 1, lease_until = now() + interval '1 h'")
    assert one(outbox, query("events_are_due")) is False
    ended(outbox)
    assert one(outbox, query("events_are_due")) is True
    assert publish(outbox, FakeBroker(), settings).acknowledged == 1
