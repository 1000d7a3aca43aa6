"""Idle: what both jobs cost while nothing is to be done, beside the same Airflow with both paused."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median

import psycopg

from include.local.airflow import dag_ids
from include.local.airflow_api import JOBS, AirflowApi
from include.local.bench.figures import Figure, Section, paired_ratio
from include.local.bench.processes import cpu_seconds, part_pids
from include.local.order import Say
from include.local.postgres import superuser_url
from include.local.system import System

ROUNDS = 3
WINDOW_SECONDS = 30.0
SETTLE_SECONDS = 5.0  # after a pause or a resume: watchers come and go
LARGEST_SHARE = 0.01  # of a core
COMMITS = "SELECT datname, xact_commit + xact_rollback FROM pg_stat_database WHERE datname IN ('oms', 'airflow')"

HOW = f"""The whole system with nothing to do: CPU time of Airflow's four processes and all their children, and \
transactions by pg_stat_database. {ROUNDS} windows of {WINDOW_SECONDS:.0f} s with both jobs on and as many with both \
paused, in turn; medians, per minute. All other DAGs are paused meanwhile. "Above" is the median of the windows' own \
differences."""


@dataclass(frozen=True)
class Cost:
    """Of one window, per minute."""

    cpu_seconds: float
    oms_transactions: float
    airflow_transactions: float


def bench_idle(system: System, say: Say) -> Section:
    """Measure it. The other DAGs are on again afterwards. Raises LocalError where Airflow does not do as it is told."""
    api = AirflowApi(system.settings, system.secrets)
    others = [dag_id for dag_id in dag_ids() if dag_id not in JOBS]
    api.set_paused(others, True)
    on, off = list[Cost](), list[Cost]()
    for _ in range(ROUNDS):
        for paused, costs in ((False, on), (True, off)):
            api.set_paused(JOBS, paused)
            time.sleep(SETTLE_SECONDS)
            costs.append(_window(system))
        say(f"  CPU seconds a minute: {on[-1].cpu_seconds:.2f} on, {off[-1].cpu_seconds:.2f} paused")
    api.set_paused([*JOBS, *others], False)
    return Section("Idle", HOW, _figures(on, off))


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


def _figures(on: list[Cost], off: list[Cost]) -> list[Figure]:
    cpu = [it.cpu_seconds for it in on], [it.cpu_seconds for it in off]
    share = median(a - b for a, b in zip(*cpu, strict=True)) / 60
    figures = [
        Figure(
            "CPU seconds a minute", f"{median(cpu[0]):.2f}", f"{median(cpu[1]):.2f}",
            f"{paired_ratio(*cpu):.2f}; {share:.1%} of a core above", f"at most {LARGEST_SHARE:.0%} above",
            share <= LARGEST_SHARE,
        )
    ]  # fmt: skip
    for name in ("oms", "airflow"):
        ours, beside = (median(getattr(it, f"{name}_transactions") for it in costs) for costs in (on, off))
        ratio = f"{ours / beside:.2f}" if beside else ""
        figures.append(Figure(f"transactions a minute, database {name}", f"{ours:.0f}", f"{beside:.0f}", ratio))
    return figures
