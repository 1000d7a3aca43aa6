"""Two brokers for every test that talks to one: the wheel's, as on one machine; Apache Kafka, as in a deployment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.oms.testing.kafka import broker, free_port
from tests.containers.kafka import NoKafka, apache_kafka


@pytest.fixture(scope="session", params=["wheel", "apache"])
def kafka_bootstrap(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of this test run's own; its address."""
    folder = tmp_path_factory.mktemp("kafka")
    if request.param == "wheel":
        with broker(free_port(), folder / "broker.log") as bootstrap:
            yield bootstrap
        return
    try:
        with apache_kafka(folder) as running:
            yield running.bootstrap
    except NoKafka as reason:
        pytest.skip(str(reason))
