"""Keep a copy of every finished PDF: out of Thunderhead, into the archive's folder. The example of docs/add-a-job.md.

- When: at twenty past every hour, if it is unpaused. The Connections are `oms_db`, `thunderhead_api` and
  `document_archive` (type File; its path is the folder, which all workers share).
- Reads: requests that are COMPLETED and not archived yet.
- Writes: `YYYY/MM/DD/<request id>.pdf`, by the day of the end, and `archived_documents`. What retention erases in OMS
  stays in the archive, which has a retention of its own.
- Red: Thunderhead does not have a document that it made, or its answer is no PDF. The log names each.
- Clear: tries again what this slice has not archived. An outage of Thunderhead is no failure: a later run goes on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import CronTriggerTimetable, dag, get_current_context, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import START

if TYPE_CHECKING:
    from include.oms.slices.claim import SliceRef


@dag(
    schedule=CronTriggerTimetable("20 * * * *", timezone="UTC"),
    start_date=START,
    catchup=False,
    is_paused_upon_creation=True,
    max_active_runs=2,  # a cleared run need not wait for the hourly one; leases keep them apart
    dagrun_timeout=timedelta(hours=2),
    doc_md=__doc__,
    tags=["oms", "example"],
    default_args=DEFAULT_ARGS,
)
def document_archive() -> None:
    @task(execution_timeout=timedelta(minutes=2))
    def claim_documents() -> list[SliceRef]:
        from include.jobs.archive import claim

        return claim(get_current_context()["run_id"])

    @task(map_index_template="{{ task.op_kwargs['a_slice']['label'] }}", execution_timeout=timedelta(minutes=55))
    def archive_slice(a_slice: SliceRef) -> None:
        from include.jobs.archive import archive

        archive(a_slice, get_current_context()["ti"])

    archive_slice.expand(a_slice=claim_documents())


document_archive()
