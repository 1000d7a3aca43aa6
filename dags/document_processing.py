"""Submit new and waiting requests to Thunderhead.

Reads:  document_requests that are QUEUED and due, or whose worker died; their configuration from the Reference
        Data API.
Writes: thunderhead_batches (the intent before the submit, Thunderhead's id after it), status, errors, timeline.
Red:    a request of this slice ended FAILED. The log names each, with its reason.
Clear:  drives those requests again; the healthy ones are not touched. Clearing twice does no harm.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import dag, get_current_context, task

from include.jobs.notify import DEFAULT_ARGS
from include.jobs.schedules import MOST_ACTIVE_RUNS, PROCESSING_WORK, SLICE_LABEL_TEMPLATE, START, fixed_schedule
from include.oms.base.settings import settings

if TYPE_CHECKING:
    from include.oms.slices.claim import SliceRef


@dag(
    schedule=fixed_schedule(settings().processing_schedule, early_wake=PROCESSING_WORK),
    start_date=START,
    catchup=False,
    max_active_runs=MOST_ACTIVE_RUNS,
    dagrun_timeout=timedelta(hours=1),
    doc_md=__doc__,
    tags=["oms"],
    default_args=DEFAULT_ARGS,
)
def document_processing() -> None:
    @task(execution_timeout=timedelta(minutes=1))
    def claim_due_requests() -> list[SliceRef]:
        from include.jobs.slices import claim
        from include.oms.words.model import Job

        return claim(Job.PROCESSING, get_current_context()["run_id"])

    @task(map_index_template=SLICE_LABEL_TEMPLATE, execution_timeout=timedelta(minutes=30))
    def process_slice(a_slice: SliceRef) -> None:
        from include.jobs.slices import process

        process(a_slice, get_current_context()["ti"])

    process_slice.expand(a_slice=claim_due_requests())


document_processing()
