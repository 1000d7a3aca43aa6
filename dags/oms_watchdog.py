"""Check all deadlines, and tell the operators once what is late.

- When: every OMS_WATCHDOG_INTERVAL_SECONDS while anything is late or was told to be late; a watcher in the triggerer
  checks that. Every ten minutes otherwise. With OMS_EARLY_WAKE=false: every OMS_WATCHDOG_INTERVAL_SECONDS.
- Reads: every open state, each with its deadline (OMS_LATE_*_SECONDS): requests due or held, polls due, batches at
  Thunderhead, final events that wait or are set aside, daily duties, systems that are paused or out, requests that
  nothing will move on. Red task instances by their cause.
- Writes: `age_alarms`, how many checks in a row found what; `failure_alarms`, what the operators know of red tasks.
- Tells: what is late, once, after three checks in a row, with the runbook's link; "well again" after three checks that
  found nothing. How many task instances turned red for one cause, and when no more do. Alerts go to the Connection
  `oms_alerts`. Without it, the log and the colour tell.
- Red: something is late, and an alert was sent. The newest run's colour is the present state; it turns green by itself.
  Red as well when the OMS Database has been out of reach for some ten minutes.
- Clear: checks again. Never needed.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import LATE_WORK, START, WATCHDOG_SCHEDULE, fixed_schedule


@dag(
    schedule=fixed_schedule(WATCHDOG_SCHEDULE, early_wake=LATE_WORK),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(minutes=30),
    doc_md=__doc__,
    tags=["oms"],
    default_args=DEFAULT_ARGS,
)
def oms_watchdog() -> None:
    # Retries are for a database that is away: a minute each, so that one alert tells of ten minutes.
    @task(execution_timeout=timedelta(seconds=50), retries=9, retry_delay=timedelta(minutes=1))
    def look_for_late_work() -> None:
        from include.jobs.watchdog import check

        check()

    look_for_late_work()


oms_watchdog()
