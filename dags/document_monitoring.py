"""Poll every batch at Thunderhead whose poll is due; write ends, and publish their final events.

Reads:  thunderhead_batches that are PROCESSING_THUNDERHEAD and due.
Writes: batches, status, timeline and the final event's outbox row, in one transaction; then Kafka.
Red:    a request of this slice ended FAILED or STOPPED. The log names each, with its reason.
Clear:  drives those requests again: failed generations get a new attempt by the next run of
        document_processing, monitoring failures a new poll. The healthy ones are not touched.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import dag, get_current_context, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import MONITORING_WORK, MOST_ACTIVE_RUNS, SLICE_LABEL_TEMPLATE, START, fixed_schedule
from include.oms.base.settings import settings

if TYPE_CHECKING:
    from include.oms.slices.claim import SliceRef


@dag(
    schedule=fixed_schedule(settings().monitoring_schedule, early_wake=MONITORING_WORK),
    start_date=START,
    catchup=False,
    max_active_runs=MOST_ACTIVE_RUNS,
    dagrun_timeout=timedelta(hours=1),
    doc_md=__doc__,
    tags=["oms"],
    default_args=DEFAULT_ARGS,
)
def document_monitoring() -> None:
    @task(execution_timeout=timedelta(minutes=1))
    def claim_due_batches() -> list[SliceRef]:
        from include.jobs.slices import claim
        from include.oms.words.model import Job

        return claim(Job.MONITORING, get_current_context()["run_id"])

    @task(map_index_template=SLICE_LABEL_TEMPLATE, execution_timeout=timedelta(minutes=30))
    def poll_slice(a_slice: SliceRef) -> None:
        from include.jobs.slices import poll

        poll(a_slice, get_current_context()["ti"])

    poll_slice.expand(a_slice=claim_due_batches())


document_monitoring()
