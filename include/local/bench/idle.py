"""Idle: the cost of the jobs without work, beside the same Airflow with all DAGs paused."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import psycopg

from include.local.airflow_api import JOBS, AirflowApi
from include.local.bench.airflow_growth import RunCost, cost_of_a_run, wait_until_nothing_runs
from include.local.bench.figures import Figure, Section, paired_ratio
from include.local.bench.processes import cpu_seconds, memory_bytes, part_pids
from include.local.order import Say
from include.local.postgres import superuser_url
from include.local.supervisor import Supervisor
from include.local.system import System
from include.oms.base.schedule import shortest_interval_seconds
from include.oms.base.settings import EVERY_MINUTE, EVERY_TEN_MINUTES, Settings

ROUNDS = 3
WINDOW_SECONDS = 12.0
LARGEST_SHARE = 0.01  # of a core
LARGEST_MEGABYTES = 5.0  # a day
LARGEST_MEMORY = 800.0  # MB of the whole system
DAY_SECONDS = 86_400
WATCHDOG = "oms_watchdog"
MODES = (  # with early wake, and on fixed schedules alone; both at their defaults
    Settings(early_wake=True, processing_schedule=EVERY_TEN_MINUTES, monitoring_schedule=EVERY_TEN_MINUTES),
    Settings(early_wake=False, processing_schedule=EVERY_MINUTE, monitoring_schedule=EVERY_MINUTE),
)
COMMITS = "SELECT datname, xact_commit + xact_rollback FROM pg_stat_database WHERE datname IN ('oms', 'airflow')"

HOW = f"""The whole system with nothing to do. CPU is the time of Airflow's processes and all their children, except \
the DAG processor, which reads paused DAGs as often as others. Transactions are those of pg_stat_database. {ROUNDS} \
windows of {WINDOW_SECONDS:.0f} s with both jobs on, and as many with all DAGs paused, which stands for an Airflow \
without DAGs. The windows are in turn; figures are medians, per minute. "Above" is the median difference of the \
windows, plus the cost of the runs that each job makes every ten minutes by its fixed schedule. "Fixed schedules \
alone" is OMS_EARLY_WAKE=false with its default of a run a minute: the cost of an idle run, times these runs. "Kept a \
day" is what one idle run keeps, times the runs of a day. It counts all rows of Airflow's database (with as much again \
for their indexes) and all bytes of its task logs, before and after the run. Memory is that of all parts, simulator \
and broker included; shared pages count once."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds and transactions a minute in one window."""

    cpu_seconds: float
    oms_transactions: float
    airflow_transactions: float


def bench_idle(system: System, say: Say) -> Section:
    """Measure it. All DAGs are on again afterwards. Raises LocalError if Airflow refuses."""
    api = AirflowApi(system.settings, system.secrets)
    dag_ids = api.dag_ids()
    api.set_paused(dag_ids, True)
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
        api.set_paused(dag_ids, False)
    return Section("Idle", HOW, [*_costs(on, off, runs), *idle_growth(runs), _memory(system)])


def _memory(system: System) -> Figure:
    parts = Supervisor(system.settings.var_dir, system.settings.log_dir).states().values()
    megabytes = memory_bytes(part.pid for part in parts if part.pid) / 1e6
    aim = f"at most {LARGEST_MEMORY:.0f} MB"
    return Figure("memory of the whole system", f"{megabytes:.0f} MB", "", "", aim, megabytes <= LARGEST_MEMORY)


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


def _runs_a_day(dag_id: str, settings: Settings) -> float:
    """The runs of an idle day. The fixed schedule makes all of them, because the watchers find no work."""
    schedules = {JOBS[0]: settings.processing_schedule, JOBS[1]: settings.monitoring_schedule}
    of_watchdog = EVERY_TEN_MINUTES if settings.early_wake else f"{settings.watchdog_interval_seconds:g}"
    return DAY_SECONDS / shortest_interval_seconds(schedules.get(dag_id, of_watchdog))


def _share_of_runs(runs: dict[str, RunCost], dag_ids_: Sequence[str], settings: Settings) -> float:
    """The share of a core, over an idle day."""
    return sum(runs[it].cpu_seconds * _runs_a_day(it, settings) for it in dag_ids_) / DAY_SECONDS


def _costs(on: list[Cost], off: list[Cost], runs: dict[str, RunCost]) -> list[Figure]:
    cpu = [it.cpu_seconds for it in on], [it.cpu_seconds for it in off]
    of_runs, alone = (_share_of_runs(runs, JOBS, settings) for settings in MODES)
    share = median(a - b for a, b in zip(*cpu, strict=True)) / 60 + of_runs
    watchdog = [f"{_share_of_runs(runs, [WATCHDOG], settings):.1%}" for settings in MODES]
    figures = [
        Figure(
            "CPU seconds a minute, both jobs", f"{median(cpu[0]):.2f}", f"{median(cpu[1]):.2f}",
            f"{paired_ratio(*cpu):.2f}; {share:.1%} of a core above, their runs included",
            f"at most {LARGEST_SHARE:.0%} above", share <= LARGEST_SHARE,
        ),
        Figure("share of a core, both jobs, beside it on fixed schedules alone", f"{share:.1%}", f"{alone:.1%}"),
        Figure(f"share of a core, {WATCHDOG}, beside it on its fixed schedule alone", watchdog[0], watchdog[1]),
    ]  # fmt: skip
    for name in ("oms", "airflow"):
        ours, beside = (median(getattr(it, f"{name}_transactions") for it in costs) for costs in (on, off))
        ratio = f"{ours / beside:.2f}" if beside else ""
        figures.append(Figure(f"transactions a minute, database {name}", f"{ours:.0f}", f"{beside:.0f}", ratio))
    return figures


def idle_growth(runs: dict[str, RunCost]) -> list[Figure]:
    """Rows and bytes that a day without work leaves behind; beside it the same with fixed schedules alone."""
    figures = []
    for what, dag_ids_ in (("both jobs", JOBS), (f"both jobs and {WATCHDOG}", (*JOBS, WATCHDOG))):
        (rows, logs, megabytes), (rows_alone, logs_alone, megabytes_alone) = (
            _kept_a_day(runs, dag_ids_, settings) for settings in MODES
        )
        figures += [
            Figure(f"Airflow's rows a day, {what}", f"{rows:,.0f}", f"{rows_alone:,.0f}"),
            Figure(
                f"kept a day, {what}", f"{megabytes:.1f} MB, {logs:.1f} of it logs",
                f"{megabytes_alone:.1f} MB, {logs_alone:.1f} of it logs", "",
                f"at most {LARGEST_MEGABYTES:.0f} MB", megabytes <= LARGEST_MEGABYTES,
            ),
        ]  # fmt: skip
    return figures


def _kept_a_day(runs: dict[str, RunCost], dag_ids_: Sequence[str], settings: Settings) -> tuple[float, float, float]:
    """Rows, megabytes of logs, and megabytes in all."""
    rows, logs, megabytes = (
        sum(getattr(runs[it], name) * _runs_a_day(it, settings) for it in dag_ids_) / unit
        for name, unit in (("rows", 1), ("log_bytes", 1e6), ("bytes_in_all", 1e6))
    )
    return rows, logs, megabytes
