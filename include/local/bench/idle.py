"""Idle: what the jobs cost while nothing is to be done, beside the same Airflow with all DAGs paused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import psycopg

from include.local.airflow import dag_ids
from include.local.airflow_api import JOBS, AirflowApi
from include.local.bench.airflow_growth import RunCost, cost_of_a_run, wait_until_nothing_runs
from include.local.bench.figures import Figure, Section, paired_ratio
from include.local.bench.processes import cpu_seconds, part_pids
from include.local.order import Say
from include.local.postgres import superuser_url
from include.local.system import System

ROUNDS = 3
WINDOW_SECONDS = 12.0
LARGEST_SHARE = 0.01  # of a core
LARGEST_MEGABYTES = 5.0  # a day
DAY_SECONDS = 86_400
WATCHDOG = "oms_watchdog"
COMMITS = "SELECT datname, xact_commit + xact_rollback FROM pg_stat_database WHERE datname IN ('oms', 'airflow')"

HOW = f"""The whole system with nothing to do: CPU time of Airflow's processes and all their children, but for the DAG \
processor, which reads paused DAGs as often as others; and transactions by pg_stat_database. {ROUNDS} windows of \
{WINDOW_SECONDS:.0f} s with both jobs on and as many with all DAGs paused, which stands for an Airflow without any; in \
turn; medians, per minute. "Above" is the median of the windows' own differences, and the share of the runs that each \
makes every ten minutes whatever happens. What is kept a day is that of one idle run each, by counting all rows of \
Airflow's database (with as much again for their indexes) and all bytes of its task logs before and after, times the \
runs of a day."""


@dataclass(frozen=True)
class Cost:
    """Of one window, per minute."""

    cpu_seconds: float
    oms_transactions: float
    airflow_transactions: float


def bench_idle(system: System, say: Say) -> Section:
    """Measure it. All DAGs are on again afterwards. Raises LocalError where Airflow does not do as it is told."""
    api = AirflowApi(system.settings, system.secrets)
    api.set_paused(dag_ids(), True)
    on, off = list[Cost](), list[Cost]()
    try:
        for _ in range(ROUNDS):
            for paused, costs in ((False, on), (True, off)):
                api.set_paused(JOBS, paused)
                wait_until_nothing_runs(system)
                costs.append(_window(system))
            say(f"  CPU seconds a minute: {on[-1].cpu_seconds:.2f} on, {off[-1].cpu_seconds:.2f} paused")
        share = median(it.cpu_seconds for it in off) / 60
        of_a_job = cost_of_a_run(system, api, JOBS, share, say)
        runs = dict.fromkeys(JOBS, of_a_job) | {WATCHDOG: cost_of_a_run(system, api, [WATCHDOG], share, say)}
    finally:
        api.set_paused(dag_ids(), False)
    return Section("Idle", HOW, [*_costs(on, off, runs), *idle_growth(runs)])


def _window(system: System) -> Cost:
    airflow = part_pids(system)
    cpu, transactions, began = cpu_seconds(airflow), _transactions(system), time.monotonic()
    time.sleep(WINDOW_SECONDS)
    minutes = (time.monotonic() - began) / 60
    more = {name: number - transactions[name] for name, number in _transactions(system).items()}
    return Cost((cpu_seconds(airflow) - cpu) / minutes, more["oms"] / minutes, more["airflow"] / minutes)


def _transactions(system: System) -> dict[str, int]:
    with psycopg.connect(superuser_url(system.settings, system.secrets)) as connection:
        return dict(connection.execute(COMMITS).fetchall())


def _runs_a_day() -> float:
    """Of each of these DAGs on an idle day: their watchers make none."""
    from include.jobs.schedules import AT_LEAST_EVERY  # Airflow takes a second to import

    return DAY_SECONDS / AT_LEAST_EVERY.total_seconds()


def _costs(on: list[Cost], off: list[Cost], runs: dict[str, RunCost]) -> list[Figure]:
    cpu = [it.cpu_seconds for it in on], [it.cpu_seconds for it in off]
    of_runs = {dag_id: cost.cpu_seconds * _runs_a_day() / DAY_SECONDS for dag_id, cost in runs.items()}
    share = median(a - b for a, b in zip(*cpu, strict=True)) / 60 + sum(of_runs[job] for job in JOBS)
    figures = [
        Figure(
            "CPU seconds a minute, both jobs", f"{median(cpu[0]):.2f}", f"{median(cpu[1]):.2f}",
            f"{paired_ratio(*cpu):.2f}; {share:.1%} of a core above, their runs included",
            f"at most {LARGEST_SHARE:.0%} above", share <= LARGEST_SHARE,
        ),
        Figure(f"share of a core, {WATCHDOG}", f"{of_runs[WATCHDOG]:.1%}"),
    ]  # fmt: skip
    for name in ("oms", "airflow"):
        ours, beside = (median(getattr(it, f"{name}_transactions") for it in costs) for costs in (on, off))
        ratio = f"{ours / beside:.2f}" if beside else ""
        figures.append(Figure(f"transactions a minute, database {name}", f"{ours:.0f}", f"{beside:.0f}", ratio))
    return figures


def idle_growth(runs: dict[str, RunCost]) -> list[Figure]:
    """What a day keeps of which nobody has had anything."""
    figures = []
    for what, dag_ids_ in (("both jobs", JOBS), (f"both jobs and {WATCHDOG}", (*JOBS, WATCHDOG))):
        rows, logs, megabytes = (
            sum(getattr(runs[it], name) for it in dag_ids_) * _runs_a_day() / unit
            for name, unit in (("rows", 1), ("log_bytes", 1e6), ("bytes_in_all", 1e6))
        )
        figures += [
            Figure(f"Airflow's rows a day, {what}", f"{rows:,.0f}"),
            Figure(
                f"kept a day, {what}", f"{megabytes:.1f} MB, {logs:.1f} of it logs", "", "",
                f"at most {LARGEST_MEGABYTES:.0f} MB", megabytes <= LARGEST_MEGABYTES,
            ),
        ]  # fmt: skip
    return figures
