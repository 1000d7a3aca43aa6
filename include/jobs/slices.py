"""The tasks of document_processing and document_monitoring: open the connections, call the domain, report."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

import uvloop
from airflow.sdk import get_current_context

from include.jobs import doors, reports
from include.jobs.hooks import oms_database_url
from include.jobs.notify import NeedsAPerson
from include.jobs.publishing import publishing_ends
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.monitoring.worker import poll_slice
from include.oms.processing.worker import process_slice
from include.oms.slices.claim import Claim, SliceRef, claim_slices
from include.oms.slices.report import SliceReport
from include.oms.words.model import Job
from include.oms.words.problems import PROBLEMS

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

T = TypeVar("T")

SLICE_LABEL = "slice_label"  # in the task's context: the name of a slice that is over; see the DAGs' map_index_template

COLLECT_EVERY = 50_000  # new objects: those of a slice live as long as it does, so looking for garbage is wasted

log = logging.getLogger("oms")


def claim(job: Job, dag_run_id: str) -> list[SliceRef]:
    """Claim the slices of this run. Raises AirflowSkipException if there is nothing to do."""

    async def claim_all() -> Claim:
        async with await database.connect(oms_database_url(), settings(), application_name=job) as connection:
            if not settings().early_wake:  # an earlier watcher may have left its request for NOTIFY
                await database.execute(connection, "watcher_is_awake", job=job)
            return await claim_slices(connection, job, dag_run_id, settings())

    return reports.claimed(_run(claim_all()))


def process(a_slice: SliceRef, ti: TaskInstance) -> None:
    """Submit the requests of one slice to Thunderhead."""
    url, slice_id = oms_database_url(), a_slice["slice_id"]

    async def processed() -> SliceReport:
        async with (
            await database.connect(url, settings(), application_name=Job.PROCESSING) as connection,
            doors.thunderhead(settings(), caller=Job.PROCESSING) as thunderhead,
            doors.reference_data(settings(), caller=Job.PROCESSING) as reference_data,
            publishing_ends(url, settings(), soon=False) as tell_ends,
        ):
            return await process_slice(
                connection,
                slice_id,
                generation=ti.max_tries,
                map_index=ti.map_index or 0,
                thunderhead=thunderhead,
                reference_data=reference_data,
                settings=settings(),
                tell_ends=tell_ends,
            )

    _finish(a_slice, _run(processed()))


def poll(a_slice: SliceRef, ti: TaskInstance) -> None:
    """Poll the batches of one slice at Thunderhead."""
    url, slice_id = oms_database_url(), a_slice["slice_id"]

    async def polled() -> SliceReport:
        async with (
            await database.connect(url, settings(), application_name=Job.MONITORING) as connection,
            doors.thunderhead(settings(), caller=Job.MONITORING) as thunderhead,
            publishing_ends(url, settings(), soon=True) as tell_ends,
        ):
            return await poll_slice(
                connection,
                slice_id,
                generation=ti.max_tries,
                map_index=ti.map_index or 0,
                thunderhead=thunderhead,
                settings=settings(),
                tell_ends=tell_ends,
            )

    _finish(a_slice, _run(polled()))


def _finish(a_slice: SliceRef, report: SliceReport) -> None:
    """Log what happened. Raises NeedsAPerson if a request of the slice ended red."""
    label = a_slice["label"]
    if new := report.red_label or report.label:  # the slice's number stays as Airflow shows it
        label = f"{label.partition(':')[0]}: {new}"
        cast("dict[str, str]", get_current_context())[SLICE_LABEL] = label
    counts = ", ".join(f"{n} {what}" for what, n in report.counts.items())
    log.info("slice %s: %s", label, counts or "nothing left to do")
    if report.stopped_early:
        log.warning("stopped early, no attempt spent: %s", report.stopped_early)
    for end in report.red_ends:
        page = PROBLEMS[end.category].page(settings().problems_url) if end.category in PROBLEMS else ""
        what = (end.request_id, end.status, end.stage, end.category, page)
        log.error("request %s %s at %s: %s %s", *what)  # not the description: it may quote the document
    if report.red_ends:
        raise NeedsAPerson(
            f"{len(report.red_ends)} requests of this slice need a person; clear this task instance to try them again",
            [f"request {end.request_id}: {end.status} at {end.stage}, {end.category}" for end in report.red_ends],
        )


def _run(work: Coroutine[Any, Any, T]) -> T:
    gc.set_threshold(COLLECT_EVERY)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
