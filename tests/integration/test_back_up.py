"""The OMS Database, brought back to a moment: a base back-up and the WAL that came after it."""

from __future__ import annotations

import os
import pwd
import shlex
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from include.local.postgres import SERVER_USER, programs
from include.oms.testing.folders import memory_folder
from include.oms.testing.kafka import free_port
from include.oms.testing.postgres import migrate

ARCHIVING = {"wal_level": "replica", "archive_mode": "on", "max_wal_senders": "4", "fsync": "off"}


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, as the server's user: it refuses to be root."""
    user: dict[str, Any] = {}
    if os.geteuid() == 0:
        user = {"user": SERVER_USER, "group": pwd.getpwnam(SERVER_USER).pw_gid, "extra_groups": []}
    done = subprocess.run([str(programs() / program), *arguments], capture_output=True, text=True, check=False, **user)
    assert done.returncode == 0, done.stderr


@contextmanager
def server(data: Path, **options: str) -> Iterator[str]:
    """PostgreSQL on this data directory, as long as the block runs; the URL of its maintenance database."""
    port = free_port()
    given = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": "", **options}
    said = " ".join(shlex.quote(f"--{name}={value}") for name, value in given.items())
    run("pg_ctl", "start", "--wait", "--pgdata", str(data), "--log", f"{data}.log", "--options", said)
    try:
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "stop", "--mode", "fast", "--pgdata", str(data))


@pytest.fixture
def folder(postgres_url: str) -> Iterator[Path]:
    """A folder of the server's user. (With ``postgres_url`` that user is there.)"""
    with tempfile.TemporaryDirectory(prefix="oms-backup-", dir=memory_folder()) as name:
        path = Path(name)
        if os.geteuid() == 0:
            os.chown(path, pwd.getpwnam(SERVER_USER).pw_uid, -1)
        yield path


def accept(url: str, correlation_id: str) -> None:
    """A request, committed."""
    with psycopg.connect(url) as connection:
        connection.execute(
            """INSERT INTO document_requests (source_system, request_correlation_id, document_type, document_name,
                   document_language, source_environment, client_subject, content_hash)
               VALUES ('CIBT', %s, 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test', '')""",
            [correlation_id],
        )


def once_it_lets_in(url: str) -> psycopg.Connection:
    """A connection, once the server has reached the moment."""
    deadline = time.monotonic() + 60
    while True:
        try:
            return psycopg.connect(url)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_it_comes_back_as_it_was_at_a_moment(folder: Path) -> None:
    data, base, wal = folder / "data", folder / "base", folder / "wal"
    run("initdb", "-D", str(data), "-U", "postgres", "--auth=trust", "--no-sync")
    archive = f"mkdir -p {wal} && cp %p {wal}/%f"
    with server(data, **ARCHIVING, archive_command=archive) as url:
        migrate(url, "upgrade", "head")
        accept(url, "before the back-up")
        run(
            "pg_basebackup",
            "--dbname",
            url,
            "--pgdata",
            str(base),
            "--checkpoint=fast",
            "--wal-method=none",
            "--no-sync",
        )
        accept(url, "after the back-up")
        with psycopg.connect(url, autocommit=True) as connection:
            (moment,) = connection.execute("SELECT clock_timestamp()::text").fetchone() or ("",)
        accept(url, "after the moment")
    (base / "recovery.signal").touch()
    restoring = {
        "restore_command": f"cp {wal}/%f %p",
        "recovery_target_time": moment,
        "recovery_target_action": "promote",
        "hot_standby": "off",  # nobody is let in before it is there
    }
    with server(base, **restoring) as url, once_it_lets_in(url) as connection:
        found = connection.execute(
            "SELECT request_correlation_id FROM document_requests ORDER BY request_id"
        ).fetchall()
    assert found == [("before the back-up",), ("after the back-up",)]
