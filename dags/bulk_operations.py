"""Work bulk operations: what an operator or a client does to all requests of a selection.

- When: as soon as somebody has asked for one, approved one or resumed one. Otherwise every ten minutes; with
  OMS_EARLY_WAKE=false every minute.
- Reads: `bulk_operations`, those that run and that no worker holds. Runs may overlap: each works another operation.
- Writes: the requests of the selection, an answer for each, and the progress; a piece is one transaction, at the
  operation's rate. Pause and stop are obeyed before the next piece. A killed worker loses nothing: its lease runs out,
  and the next run goes on.
- Result: the console's page *Bulk operations* has each operation, who asked, who approved, and an answer for each
  request.
- Red: the OMS Database was away.
- Clear: goes on with what is left. So does the next run.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import dag, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import BULK_SCHEDULE, BULK_WORK, START, fixed_schedule


@dag(
    schedule=fixed_schedule(BULK_SCHEDULE, early_wake=BULK_WORK),
    start_date=START,
    catchup=False,
    max_active_runs=4,
    dagrun_timeout=timedelta(hours=1),
    doc_md=__doc__,
    tags=["oms"],
    default_args=DEFAULT_ARGS,
)
def bulk_operations() -> None:
    @task(execution_timeout=timedelta(minutes=30), retries=2, retry_delay=timedelta(minutes=1))
    def work_operations() -> int:
        from include.jobs.bulk_operations import work

        return work()

    work_operations()


bulk_operations()
