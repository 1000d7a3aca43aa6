"""Delete Airflow's own history: old rows by ``airflow db clean``, old log files by their age.

A task has no access to Airflow's database. To clean it from here, define the Connection ``airflow_db``. Otherwise run
the same command on the deployment's own schedule.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

AIRFLOW_DB = "airflow_db"

KEPT = frozenset({"trigger", "dag", "dag_version"})
"""Tables that the command knows and must not clean by age: the watchers of the two jobs, and what the DAGs are. The
jobs would stop after so many days."""

TABLES = (
    "_xcom_archive", "asset_event", "callback", "celery_taskmeta", "celery_tasksetmeta", "connection_test_request",
    "dag_run", "deadline", "import_error", "job", "log", "partitioned_asset_key_log", "revoked_token", "session",
    "task_instance", "task_instance_history", "task_reschedule", "task_state_store", "xcom",
)  # fmt: skip
"""All others that the command knows; it skips those that are not there, such as Celery's under another executor, or the
logins of the FAB auth manager (``session``) under another one. A test compares both lists with Airflow's own, so that a
new table is not forgotten."""

ROWS_A_TRANSACTION = 5000
LONGEST_SECONDS = 3600

log = logging.getLogger("oms")


def clean_command(days: int) -> list[str]:
    """The command that deletes rows older than ``days``; an operator can run it by hand, too."""
    before = (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds")
    return [
        sys.executable, "-m", "airflow", "db", "clean", "--clean-before-timestamp", before, "--tables",
        ",".join(TABLES), "--skip-archive", "--batch-size", str(ROWS_A_TRANSACTION), "--error-on-cleanup-failure",
        "--yes",
    ]  # fmt: skip


def prune_tables(days: int) -> None:
    """Run the command. Skipped where there is no Connection ``airflow_db``."""
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection = BaseHook.get_connection(AIRFLOW_DB)
    except AirflowNotFoundException as error:
        raise AirflowSkipException(
            f"there is no Connection {AIRFLOW_DB}: have `{' '.join(clean_command(days)[1:])}` run where Airflow's own "
            "processes run"
        ) from error
    _run(clean_command(days), _environment(connection))


def _environment(connection: Connection) -> dict[str, str]:
    """This process's environment, with the address of Airflow's database, which Airflow hides from tasks."""
    return {
        **{name: value for name, value in os.environ.items() if not name.endswith("__SQL_ALCHEMY_CONN")},
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database_url(connection),
    }


def database_url(connection: Connection) -> str:
    """The Connection as a SQLAlchemy URL."""
    from sqlalchemy import URL

    url = URL.create(
        "postgresql+psycopg2",
        username=connection.login,
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.schema,
        query={key: str(value) for key, value in connection.extra_dejson.items() if key.startswith("ssl")},
    )
    return url.render_as_string(hide_password=False)


def _run(command: list[str], environment: dict[str, str]) -> None:
    """Run the command, bounded in time, and log its output. Raises where it did not clean everything."""
    try:
        done = subprocess.run(  # noqa: S603
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
            timeout=LONGEST_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise AirflowException(f"airflow db clean did not end within {LONGEST_SECONDS} s") from error
    log.info("%s", done.stdout[-20_000:])
    if done.returncode:
        raise AirflowFailException(f"airflow db clean answered {done.returncode}")


def prune_log_files(folder: Path, days: int) -> int:
    """Delete log files that were last written ``days`` ago or earlier, and empty folders; the number of files.

    It covers the files of this machine alone. Workers with disks of their own need their own log rotation.
    """
    oldest = time() - days * 86_400
    number = sum(_delete_if_older(file, oldest) for file in _files(folder))
    for parent, _, _ in os.walk(folder, topdown=False):
        if Path(parent) != folder and Path(parent).stat().st_mtime < oldest:
            with suppress(OSError):  # a task writes there now
                Path(parent).rmdir()
    return number


def _files(folder: Path) -> Iterator[Path]:
    """Log files below a folder. Links are not followed."""
    for parent, _, names in os.walk(folder):
        for name in names:
            file = Path(parent) / name
            if ".log" in file.suffixes and not file.is_symlink():
                yield file


def _delete_if_older(file: Path, oldest: float) -> bool:
    with suppress(FileNotFoundError):  # another process deleted it
        if file.stat().st_mtime < oldest:
            file.unlink()
            return True
    return False
