"""Check all deadlines, and send the operators one alert about late work.

- When: every OMS_WATCHDOG_INTERVAL_SECONDS while anything is late or an alarm stands; a watcher in the triggerer checks
  that. Every ten minutes otherwise. With OMS_EARLY_WAKE=false: every OMS_WATCHDOG_INTERVAL_SECONDS.
- Reads: every open state, each with its deadline (OMS_LATE_*_SECONDS): requests due or held, polls due, batches at
  Thunderhead, final events that wait or are set aside, daily duties, systems that are paused or out, runs past their
  own deadline, requests that no job will continue. Red task instances by their cause.
- Writes: `age_alarms`, the results of checks in a row; `failure_alarms`, what the operators were told of red tasks.
- Alerts: late work, once, after three checks in a row, with the runbook's link; "well again" after three checks that
  found nothing. The number of task instances that turned red for one cause, and the end of it. Alerts go to the
  Connection `oms_alerts`. Without it, only the log and the colour show them.
- Red: something is late, and an alert was sent. The colour of the newest run is the present state; it turns green by
  itself. Also red when the OMS Database has been out of reach for about ten minutes.
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
    # The retries cover an outage of the OMS Database, one a minute: an alert is sent after ten minutes.
    @task(execution_timeout=timedelta(seconds=50), retries=9, retry_delay=timedelta(minutes=1))
    def look_for_late_work() -> None:
        from include.jobs.watchdog import check

        check()

    look_for_late_work()


oms_watchdog()
