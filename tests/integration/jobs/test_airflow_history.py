"""Airflow's own past: old log files go, all else stays; the tables are those that may be cleaned."""

from __future__ import annotations

import os
from pathlib import Path
from time import time

import pytest
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowSkipException
from airflow.utils.db_cleanup import config_dict

from include.jobs import airflow_history
from include.jobs.airflow_history import KEPT, TABLES, database_url, prune_log_files, prune_tables


def file(path: Path, days: float) -> Path:
    """A file that was last written so many days ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    age(path, days)
    return path


def age(path: Path, days: float) -> None:
    os.utime(path, (time() - days * 86_400,) * 2)


def test_old_log_files_go_with_their_empty_folders(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    old = [
        file(logs / "dag_id=a/run_id=1/task_id=t/attempt=1.log", 31),
        file(logs / "dag_id=a/run_id=1/task_id=t/attempt=1.log.trigger.7.log", 31),
    ]
    young = file(logs / "dag_id=a/run_id=2/task_id=t/attempt=1.log", 1)
    other = file(logs / "dag_id=a/run_id=1/notes.txt", 400)
    elsewhere = file(tmp_path / "elsewhere/precious.log", 400)
    (logs / "link.log").symlink_to(elsewhere)
    (logs / "folder").symlink_to(elsewhere.parent)

    assert prune_log_files(logs, 30) == 2
    age(logs / "dag_id=a/run_id=1/task_id=t", 31)
    assert prune_log_files(logs, 30) == 0

    assert not any(it.exists() for it in [*old, old[0].parent])
    assert all(it.exists() for it in (young, other, elsewhere, logs))


def test_every_table_that_airflow_can_clean_is_either_cleaned_or_kept() -> None:
    """A new version of Airflow may bring a table that grows without end, too."""
    assert set(TABLES) | KEPT == set(config_dict) | {"session"}  # known under the FAB auth manager alone
    assert not set(TABLES) & KEPT


def test_without_the_connection_it_is_skipped_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(airflow_history, "_run", lambda *_: pytest.fail("nothing is to be run"))
    with pytest.raises(AirflowSkipException, match="airflow db clean --clean-before-timestamp"):
        prune_tables(30)


def test_with_the_connection_the_command_gets_it_and_no_task_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[tuple[list[str], dict[str, str]]] = []
    monkeypatch.setattr(airflow_history, "_run", lambda *it: ran.append(it))
    monkeypatch.setenv("AIRFLOW_CONN_AIRFLOW_DB", "postgresql://air:f%40low@db:5433/airflow?sslmode=require")
    monkeypatch.setenv("AIRFLOW__CORE__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    prune_tables(30)
    ((command, environment),) = ran
    assert command[1:5] == ["-m", "airflow", "db", "clean"]
    wanted = "postgresql+psycopg2://air:f%40low@db:5433/airflow?sslmode=require"
    assert {name: it for name, it in environment.items() if "SQL_ALCHEMY_CONN" in name} == {
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": wanted
    }


def test_a_password_stays_a_password() -> None:
    connection = Connection(conn_id="x", conn_type="postgres", host="h", login="u", password="p:/@?", schema="d")
    assert database_url(connection) == "postgresql+psycopg2://u:p%3A%2F%40%3F@h/d"
