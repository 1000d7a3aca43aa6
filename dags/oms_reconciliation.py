"""Prove once a day that no request was lost and no document was made twice on the day before and on missed days.

- Reads: requests, timelines, final events and batches of one UTC day. Thunderhead, by look-ups only: every batch by its
  id, 100 a call, and names for orphans and doubles. The rate is OMS_RECONCILIATION_CALLS_PER_SECOND.
- Proves: requests in = ended + open, and a slice or Thunderhead has every PROCESSING one; every end has its final
  event, published or waiting; so has every completed run, with the number of its requests; Thunderhead has each of our
  batches once, with the same status.
- Writes: the report (Markdown) to its log and to `reconciliations`, with the numbers and the list of discrepancies.
- Red: the numbers do not add up, and a person is needed. The log lists each discrepancy;
  docs/runbooks/reconciliation.md says what to do. During an outage of Thunderhead the task is retried for two hours.
- Clear: reconciles again; the new report replaces the old one. For another day, trigger the DAG with that day. The next
  runs reconcile missed days, up to six in each run, the oldest first.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, Param, dag, get_current_context, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import START

DAY = Param(
    None,
    type=["null", "string"],
    format="date",
    title="Day",
    description="A UTC day that is over. Empty: the day before the run, and missed days.",
)


@dag(
    schedule=CronTriggerTimetable("10 1 * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=12),
    doc_md=__doc__,
    tags=["oms"],
    params={"day": DAY},
    default_args=DEFAULT_ARGS,
)
def oms_reconciliation() -> None:
    # The task only reads, so a retry is safe. The retries cover a Thunderhead outage of two hours.
    @task(execution_timeout=timedelta(hours=3), retries=6, retry_delay=timedelta(minutes=20))
    def reconcile() -> dict[str, int]:
        from include.jobs.reconciliation import reconcile_days

        context = get_current_context()
        return reconcile_days(context["params"]["day"], context["dag_run"].run_after, context["run_id"])

    reconcile()


oms_reconciliation()
