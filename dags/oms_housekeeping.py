"""Delete, once a day, what is past its retention.

- `erase_content`: payload, metadata and XML of requests that ended OMS_RETENTION_DAYS ago, or as many days as
  OMS_RETENTION_DAYS_BY_DOCUMENT_TYPE says. Its row and timeline stay, with an entry ERASED. A request that is
  retriggered after that ends FAILED, and its error says why.
- `prune_requests`: rows and timelines of erased requests that ended OMS_REPLAY_DAYS ago, and their runs. After that the
  same correlation id is a new request.
- `prune_events`: final events published OMS_EVENT_RETENTION_DAYS ago. Those that wait or were set aside stay.
- `prune_operator_actions`: the audit trail, after ten years.
- `prune_bulk_operations`: bulk operations with their answers, after 400 days. The audit trail has them longer. One that
  nobody decides on for 30 days ends by itself.
- `prune_slices`: slices that can no longer be cleared, because Airflow has deleted their task instances.
- `prune_airflow_tables`: Airflow's own runs, task instances, XComs and event log older than OMS_AIRFLOW_HISTORY_DAYS,
  by `airflow db clean`. A task has no access to Airflow's database; this one uses the Connection `airflow_db`.
  Without it the task is skipped, and its log has the command for the deployment's own cron. The tables `trigger`, `dag`
  and `dag_version` are never cleaned: by age alone, the jobs' watchers would go.
- `prune_airflow_logs`: log files of the machine it runs on, of the same age. The command above covers tables only.
- Red: a part failed. What it deleted before stays deleted: it works in chunks, each committed.
- Clear: continues where it stopped. So does the next day's run.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import START

HOURS = {  # of each part: the longest that it may take
    "erase_content": 4.0,
    "prune_requests": 4.0,
    "prune_events": 1.0,
    "prune_operator_actions": 1.0,
    "prune_bulk_operations": 1.0,
    "prune_slices": 1.0,
    "prune_airflow_tables": 1.2,
    "prune_airflow_logs": 1.0,
}


@dag(
    schedule=CronTriggerTimetable("30 2 * * *", timezone="UTC"),  # after the reconciliation has looked at it all
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    doc_md=__doc__,
    tags=["oms"],
    default_args=DEFAULT_ARGS | {"retries": 2, "retry_delay": timedelta(minutes=10)},
)
def oms_housekeeping() -> None:
    @task
    def forget(part: str) -> int | None:
        from include.jobs import housekeeping

        done: int | None = getattr(housekeeping, part)()
        return done

    # Each is a leaf: none waits for another, and none hides that another is red.
    for part, hours in HOURS.items():
        forget.override(task_id=part, execution_timeout=timedelta(hours=hours))(part)


oms_housekeeping()
