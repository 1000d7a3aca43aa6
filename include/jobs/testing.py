"""A DAG run for real in a test, in one process: Airflow's own ``airflow dags test``, on a metadata database of its own.

No scheduler and no API server: claim, mapped tasks, Connections, callbacks and colours are Airflow's own. What only
those show - schedules, clears, pools - the end-to-end tests look at.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from include.oms.testing.postgres import ROOT

MOST_SECONDS = 120  # for one run; a few are usual


@dataclass(frozen=True)
class TaskInstance:
    """What became of one task instance. ``name`` is what the grid shows of a mapped one."""

    task_id: str
    map_index: int
    state: str
    name: str | None


@dataclass(frozen=True)
class DagRun:
    """What became of a run, and what was logged."""

    state: str
    task_instances: list[TaskInstance]
    log: str

    def states(self, task_id: str) -> list[str]:
        """The state of each instance of a task."""
        return [it.state for it in self.task_instances if it.task_id == task_id]


@dataclass
class Airflow:
    """An Airflow that has the project's DAGs, and the Connections that a test gives it."""

    home: Path
    connections: dict[str, str] = field(default_factory=dict)

    def connect(self, conn_id: str, **connection: Any) -> None:
        """A Connection as Airflow reads it: conn_type, host, login, password, schema, port, extra."""
        self.connections[f"AIRFLOW_CONN_{conn_id.upper()}"] = json.dumps(connection)

    def connect_database(self, url: str) -> None:
        """The OMS Database of the test, as the Connection ``oms_db``."""
        self.connect("oms_db", **database_connection(url))

    async def run(
        self, dag_id: str, params: Mapping[str, Any] | None = None, *, file: Path | None = None, **settings: Any
    ) -> DagRun:
        """One run to its end, under these settings (``slice_size=2``). Fails where there is no such DAG.

        ``file`` is where the DAG is; by default in ``dags/``, under its own name.
        """
        more = {f"OMS_{name.upper()}": str(value) for name, value in settings.items()} | self.connections
        conf = ["--conf", json.dumps(params)] if params else []
        path = file or ROOT / "dags" / f"{dag_id}.py"
        more["AIRFLOW__CORE__DAGS_FOLDER"] = str(path.parent)
        log = await airflow(self.home, "dags", "test", "--dagfile-path", str(path), dag_id, *conf, **more)
        with sqlite3.connect(self.home / "airflow.db") as database:
            state = database.execute(
                "SELECT state FROM dag_run WHERE dag_id = ? ORDER BY id DESC LIMIT 1", [dag_id]
            ).fetchone()
            assert state, f"{dag_id} has not run:\n{log}"
            found = database.execute(
                """SELECT task_id, map_index, task_instance.state, rendered_map_index
                   FROM task_instance WHERE run_id = (
                       SELECT run_id FROM dag_run WHERE dag_id = ?1 ORDER BY id DESC LIMIT 1) AND dag_id = ?1
                   ORDER BY task_id, map_index""",
                [dag_id],
            )
            return DagRun(state[0], [TaskInstance(*row) for row in found], log)


def database_connection(url: str) -> dict[str, Any]:
    """A Connection out of a libpq URL, whose host may be the folder of a socket."""
    said = conninfo_to_dict(url)
    return {
        "conn_type": "postgres", "host": said.get("host"), "port": int(said.get("port") or 5432),
        "login": said.get("user"), "password": said.get("password"), "schema": said.get("dbname"),
    }  # fmt: skip


@pytest.fixture(scope="session")
def airflow_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Airflow home with an empty metadata database (SQLite), made once: some five seconds."""
    home = tmp_path_factory.mktemp("airflow")
    log = asyncio.run(airflow(home, "db", "migrate"))
    assert (home / "airflow.db").exists(), log
    return home


@pytest.fixture
def airflow_runs(airflow_template: Path, tmp_path: Path) -> Airflow:
    """A fresh Airflow."""
    copy(airflow_template / "airflow.db", tmp_path)
    return Airflow(tmp_path)


async def airflow(home: Path, *arguments: str, **environment: str) -> str:
    """Run Airflow's command; all that it said."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "airflow", *arguments,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "OMS_"))},
            "AIRFLOW_HOME": str(home), "PYTHONPATH": str(ROOT),
            "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"), "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "none"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False", "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "False",
            **environment,
        },
    )  # fmt: skip
    try:
        said, _ = await asyncio.wait_for(process.communicate(), MOST_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
    return said.decode("utf-8", "replace")
