"""Look again and again for work that is late, and tell people once.

- When: every OMS_WATCHDOG_INTERVAL_SECONDS while anything is late or was told to be; a watcher in the triggerer looks
  so often. Every ten minutes otherwise, and where there is no triggerer.
- Reads: every open state, each with its deadline (OMS_LATE_*_SECONDS): requests due or held, polls due, batches at
  Thunderhead, final events in the outbox, systems that are paused or out, requests in nobody's hands.
- Writes: `age_alarms`, how many looks in a row found what.
- Tells: after three looks in a row, once, with the runbook's link, to the Connection `oms_alerts`; once again
  when it has been well for as many. Without that Connection the log and the colour tell.
- Red: something is late and was told: a person is needed, now. The newest run's colour is how things stand; it turns
  green by itself. Red as well where the OMS Database has been out of reach for some ten minutes.
- Clear: looks again. Never needed.
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
