"""Prove, once a day, that nothing was lost and nothing doubled on the day before, and on days that were missed.

- Reads: requests, timelines, final events and batches of one day of UTC; Thunderhead, by its look-ups alone: every
  batch by its id, 100 a call, and names for orphans and doubles, at OMS_RECONCILIATION_CALLS_PER_SECOND.
- Proves: requests in = ended + open, and every open one is in somebody's hands; every end has its final event,
  published or waiting; our batches are Thunderhead's, in the same state, once.
- Writes: the report (Markdown), into its log and into `reconciliations`, with the numbers and the list.
- Red: the numbers do not add up, and a person is needed. The log lists each; docs/runbooks/reconciliation.md says what
  to do. During an outage of Thunderhead it is tried again for two hours.
- Clear: reconciles again, and the newer report counts. For another day, trigger it with that day. Days that were
  missed, because no run could be made, are made up for by the next runs: up to six each, the oldest first.
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
    description="A day of UTC that is over. Empty: the day before, and days that were missed.",
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
    # It only looks, so a repeat is safe; the retries outlast an outage of Thunderhead.
    @task(execution_timeout=timedelta(hours=3), retries=6, retry_delay=timedelta(minutes=20))
    def reconcile() -> dict[str, int]:
        from include.jobs.reconciliation import reconcile_days

        context = get_current_context()
        return reconcile_days(context["params"]["day"], context["dag_run"].run_after, context["run_id"])

    reconcile()


oms_reconciliation()
