"""Three Apache Kafka brokers, min.insync.replicas=2: one may be lost, and with two lost the outbox keeps everything.

By hand, because three brokers need a gigabyte and a minute; it prints its figures:

    OMS_TEST_THREE_BROKERS=1 .venv/bin/python -m pytest tests/integration/local/test_three_brokers.py -s -n 0
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from psycopg.rows import dict_row

from include.local.chaos.reader import Reader
from include.oms.base.settings import Settings
from include.oms.ending.outbox import producer_config, publish_waiting_events
from include.oms.testing.kafka import free_port
from tests.containers.kafka import ApacheKafka, NoKafka

pytestmark = pytest.mark.skipif(
    not os.environ.get("OMS_TEST_THREE_BROKERS"), reason="by hand: three brokers, see its head"
)
NODES = (1, 2, 3)
EVENTS_BETWEEN = 3_000
WAIT_SECONDS = 180
SETTINGS = Settings(kafka_topic="ends", publish_timeout_seconds=5)
# A hundred requests that have ended, each with its final event.
HUNDRED_ENDS = """
WITH made AS (
    INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type, document_name,
        document_language, source_environment, client_subject, attempts, status, revision, ended_at)
    SELECT 'CIBT', gen_random_uuid()::text, '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test', 1, 'FAILED', 1, now()
    FROM generate_series(1, 100) RETURNING request_id)
INSERT INTO final_events (request_id, revision, event_id, topic, event)
SELECT request_id, 1, event_uuid(request_id, 1), NULL, to_json(request_id::text) FROM made
"""


@pytest.fixture
def brokers(tmp_path: Path) -> Iterator[dict[int, ApacheKafka]]:
    """Three that know each other, and the topic, on all of them."""
    ports = {node: (free_port(), free_port()) for node in NODES}
    with ExitStack() as stack:
        made = {}
        for node in NODES:
            (folder := tmp_path / str(node)).mkdir()
            try:
                made[node] = ApacheKafka(folder, node, ports)
            except NoKafka as reason:
                pytest.skip(str(reason))
            stack.callback(made[node].kill)
        for broker in made.values():
            broker.launch()
        for broker in made.values():
            broker.await_answer()
        admin = AdminClient({"bootstrap.servers": bootstrap(made), "log_level": 0})
        wait("all three are there", lambda: len(admin.list_topics(timeout=10).brokers) == len(NODES))
        topic = NewTopic("ends", 12, len(NODES), config={"min.insync.replicas": "2"})
        [done] = admin.create_topics([topic]).values()
        done.result()
        yield made


def bootstrap(brokers: dict[int, ApacheKafka]) -> str:
    return ",".join(broker.bootstrap for broker in brokers.values())


def wait(what: str, look: Callable[[], bool]) -> float:
    """The seconds that it took. Raises AssertionError after three minutes."""
    began = time.monotonic()
    while not look():
        assert time.monotonic() < began + WAIT_SECONDS, f"{what}: not within {WAIT_SECONDS} s"
        time.sleep(0.05)
    return time.monotonic() - began


class Publishing:
    """A context manager: requests end, and a publisher calls the outbox again and again, as the job does."""

    def __init__(self, database: str, kafka: str) -> None:
        self.acknowledged, self.calls_in_vain = 0, 0
        self._database, self._kafka = database, kafka
        self._no_more, self._stop = Event(), Event()
        self._threads = [Thread(target=self._end_requests), Thread(target=self._publish)]

    def __enter__(self) -> Publishing:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._no_more.set()
        self._stop.set()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)

    def end_no_more(self) -> None:
        """No more requests end; what waits goes on."""
        self._no_more.set()
        self._threads[0].join(WAIT_SECONDS)

    def await_acknowledged(self, more: int) -> float:
        """The seconds until so many more are acknowledged."""
        wanted = self.acknowledged + more
        return wait(f"{more} more are acknowledged", lambda: self.acknowledged >= wanted)

    def _end_requests(self) -> None:
        with psycopg.connect(self._database, autocommit=True) as connection:
            while not self._no_more.wait(0.1):
                connection.execute(HUNDRED_ENDS)

    def _publish(self) -> None:
        config = {**producer_config(SETTINGS), "bootstrap.servers": self._kafka, "log_level": 0}
        with psycopg.connect(self._database, autocommit=True, row_factory=dict_row) as connection:
            while not self._stop.wait(0.05):
                done = publish_waiting_events(connection, lambda: Producer(config), SETTINGS)
                self.acknowledged += done.acknowledged
                self.calls_in_vain = 0 if done.acknowledged else self.calls_in_vain + 1


def test_no_acknowledged_event_is_missing(brokers: dict[int, ApacheKafka], oms_database_url: str) -> None:
    kafka = bootstrap(brokers)
    with (
        Reader({"bootstrap.servers": kafka}, "ends") as reader,
        Publishing(oms_database_url, kafka) as publishing,
        psycopg.connect(oms_database_url, autocommit=True) as database,
    ):
        say(f"{EVENTS_BETWEEN:,} acknowledged in {publishing.await_acknowledged(EVENTS_BETWEEN):.1f} s")
        brokers[1].kill()
        say(f"one broker killed: the next acknowledged after {publishing.await_acknowledged(1):.1f} s, "
            f"{EVENTS_BETWEEN:,} more after {publishing.await_acknowledged(EVENTS_BETWEEN):.1f} s")  # fmt: skip
        brokers[2].kill()
        wait("nothing is acknowledged", lambda: publishing.calls_in_vain >= 20)
        [waiting] = one(database, "SELECT count(*) FROM final_events WHERE published_at IS NULL")
        say(f"two brokers killed: publishing has stopped, {waiting:,} events wait in the outbox")
        brokers[2].start()
        say(f"one is back: the next acknowledged after {publishing.await_acknowledged(1):.1f} s")
        brokers[1].start()
        publishing.await_acknowledged(EVENTS_BETWEEN)
        publishing.end_no_more()
        none = "SELECT NOT EXISTS (SELECT FROM final_events WHERE published_at IS NULL)"
        seconds = wait("none waits", lambda: bool(one(database, none)[0]))
        reader.catch_up(WAIT_SECONDS)
        read = Counter(int(message.content()) for message in reader.messages)
        ends = {row[0] for row in database.execute("SELECT request_id FROM final_events")}
    again = sum(read.values()) - len(read)
    say(f"all back: none waits after {seconds:.1f} s; {len(ends):,} events, {len(ends - read.keys())} missing, "
        f"{again} published again")  # fmt: skip
    assert ends == read.keys()


def one(database: psycopg.Connection[tuple[int]], query: str) -> tuple[int]:
    found = database.execute(query).fetchone()
    assert found
    return found


def say(text: str) -> None:
    print(text, flush=True)
