"""Growth of Airflow's database (rows, bytes) and task logs (bytes), and the share of one run of a DAG."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from include.local.airflow import airflow_home
from include.local.airflow_api import AirflowApi
from include.local.bench.processes import cpu_seconds, part_pids
from include.local.order import Say
from include.local.part import LocalError
from include.local.postgres import superuser_url
from include.local.system import System

RUN_SECONDS = 60.0
SETTLE_SECONDS = 2.0  # after the end of a run: Airflow still writes about it
LOOK_SECONDS = 0.5
INDEX_FACTOR = 2.0  # indexes and page headers take about as much again
RUNNING = """SELECT count(*) FROM dag_run JOIN dag USING (dag_id)
             WHERE state IN ('queued', 'running') AND NOT is_paused"""
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"


@dataclass(frozen=True)
class Kept:
    """Rows and bytes at one time, or the growth between two."""

    runs: int
    rows: int
    table_bytes: int  # of the rows alone
    log_bytes: int

    def __sub__(self, before: Kept) -> Kept:
        return Kept(
            self.runs - before.runs,
            self.rows - before.rows,
            self.table_bytes - before.table_bytes,
            self.log_bytes - before.log_bytes,
        )


@dataclass(frozen=True)
class RunCost:
    """The cost of one run of a DAG that finds nothing to do."""

    rows: float
    database_bytes: float
    log_bytes: float
    cpu_seconds: float  # above what Airflow uses anyway

    @property
    def bytes_in_all(self) -> float:
        """Database and logs."""
        return self.database_bytes + self.log_bytes


def kept(system: System) -> Kept:
    """What Airflow keeps now. Its tables are small enough to count."""
    rows = size = runs = 0
    with psycopg.connect(_database_url(system)) as connection:
        for (table,) in connection.execute(TABLES).fetchall():
            name = sql.Identifier(table)
            counted = sql.SQL("SELECT count(*), coalesce(sum(pg_column_size({}.*)), 0)::bigint FROM {}")
            number, bytes_ = connection.execute(counted.format(name, name)).fetchone() or (0, 0)
            rows, size = rows + number, size + bytes_
            runs += number if table == "dag_run" else 0
    logs = sum(file.stat().st_size for file in (airflow_home(system.settings) / "logs").rglob("*") if file.is_file())
    return Kept(runs, rows, size, logs)


def wait_until_nothing_runs(system: System) -> None:
    """Wait until no run is left, because a DAG makes one when it is resumed. Raises LocalError if one does not end."""
    deadline = time.monotonic() + RUN_SECONDS
    time.sleep(SETTLE_SECONDS)
    with psycopg.connect(_database_url(system), autocommit=True) as connection:
        while (row := connection.execute(RUNNING).fetchone()) and row[0]:
            if time.monotonic() > deadline:
                raise LocalError(f"{row[0]} DAG runs have not ended after {RUN_SECONDS:.0f} s.")
            time.sleep(LOOK_SECONDS)
    time.sleep(SETTLE_SECONDS)


def cost_of_a_run(system: System, api: AirflowApi, dag_ids: Sequence[str], idle_cpu_share: float, say: Say) -> RunCost:
    """Run each of these DAGs once by hand, all others being paused: the mean of their runs.

    ``idle_cpu_share``: cores that Airflow uses anyway. Raises LocalError where one does not end. What their schedules
    make meanwhile is counted as further runs.
    """
    airflow = part_pids(system)
    before, cpu, began = kept(system), cpu_seconds(airflow), time.monotonic()
    api.set_paused(dag_ids, False)
    for dag_id in dag_ids:
        api.run_once(dag_id, RUN_SECONDS)
    wait_until_nothing_runs(system)
    used = cpu_seconds(airflow) - cpu - idle_cpu_share * (time.monotonic() - began)
    api.set_paused(dag_ids, True)
    more = kept(system) - before
    cost = RunCost(
        more.rows / more.runs, INDEX_FACTOR * more.table_bytes / more.runs, more.log_bytes / more.runs, used / more.runs
    )
    say(
        f"  a run of {' or '.join(dag_ids)}: {cost.rows:.0f} rows, {cost.bytes_in_all / 1024:.0f} KiB,"
        f" {cost.cpu_seconds:.1f} CPU s"
    )
    return cost


def _database_url(system: System) -> str:
    return superuser_url(system.settings, system.secrets).rpartition("/")[0] + "/airflow"
