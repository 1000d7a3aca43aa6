"""What a task of either job does: open the connections, call the domain, tell what happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import uvloop
from airflow.sdk.exceptions import AirflowSkipException
from psycopg.rows import dict_row

from include.jobs.connections import (
    REFERENCE_DATA_API,
    THUNDERHEAD_API,
    http_session,
    kafka_producer,
    oms_database_url,
)
from include.jobs.notify import NeedsAPerson
from include.oms import database, monitoring, processing, publishing
from include.oms.errors import Unavailable
from include.oms.model import Job
from include.oms.reference_data import ReferenceData
from include.oms.settings import settings
from include.oms.slices import Claim, SliceRef, SliceReport, claim_slices
from include.oms.thunderhead import Thunderhead
from include.oms.topics import name_topics

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

T = TypeVar("T")

log = logging.getLogger("oms")


def claim(job: Job, dag_run_id: str) -> list[SliceRef]:
    """The slices for this run. Raises AirflowSkipException where there is nothing to do, not even to publish."""

    async def claimed() -> Claim:
        async with await database.connect(oms_database_url(), settings(), application_name=job) as connection:
            return await claim_slices(connection, job, dag_run_id, settings())

    found = _run(claimed())
    for reference in found.slices:
        log.info("claimed slice %s", reference["label"])
    if not found.slices and not (job is Job.MONITORING and found.events_wait):
        raise AirflowSkipException(found.why_none or "nothing is due")
    return found.slices


def process(a_slice: SliceRef, ti: TaskInstance) -> None:
    """Hand the requests of one slice to Thunderhead."""

    async def processed() -> SliceReport:
        async with (
            await database.connect(url, settings(), application_name=Job.PROCESSING) as connection,
            http_session(THUNDERHEAD_API, settings()) as (thunderhead, thunderhead_url),
            http_session(REFERENCE_DATA_API, settings()) as (reference_data, reference_data_url),
        ):
            return await processing.process_slice(
                connection,
                a_slice["slice_id"],
                generation=ti.max_tries,
                map_index=ti.map_index or 0,
                thunderhead=Thunderhead(thunderhead, thunderhead_url, settings()),
                reference_data=ReferenceData(reference_data, reference_data_url, settings()),
                settings=settings(),
            )

    url = oms_database_url()
    _finish(a_slice, url, _run(processed()))


def poll(a_slice: SliceRef, ti: TaskInstance) -> None:
    """Ask Thunderhead about the batches of one slice."""

    async def polled() -> SliceReport:
        async with (
            await database.connect(url, settings(), application_name=Job.MONITORING) as connection,
            http_session(THUNDERHEAD_API, settings()) as (session, base_url),
        ):
            return await monitoring.poll_slice(
                connection,
                a_slice["slice_id"],
                generation=ti.max_tries,
                map_index=ti.map_index or 0,
                thunderhead=Thunderhead(session, base_url, settings()),
                settings=settings(),
            )

    url = oms_database_url()
    _finish(a_slice, url, _run(polled()))


def publish(slice_id: int | None = None, url: str | None = None) -> None:
    """Publish final events that wait; with ``slice_id`` only those of the requests which that slice ended.

    A broker that is out is nobody's failure: the events wait, and the next run tries again.
    """
    url = url or oms_database_url()
    _run(_name_topics(url))
    with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
        done = publishing.publish_waiting_events(
            connection, lambda: kafka_producer(settings()), settings(), slice_id=slice_id
        )
    if done.acknowledged:
        log.info("published %d final events", done.acknowledged)
    if done.waiting or done.set_aside:
        log.warning("%d final events wait, %d are set aside: %s", done.waiting, done.set_aside, done.reason)


async def _name_topics(url: str) -> None:
    """What ended before enrichment needs a topic; while the Reference Data API is out, those events wait."""
    async with await database.connect(url, settings(), application_name="topics") as connection:
        if not await database.rows(connection, "documents_without_topic"):
            return
        async with http_session(REFERENCE_DATA_API, settings()) as (session, base_url):
            try:
                await name_topics(connection, ReferenceData(session, base_url, settings()), settings().kafka_topic)
            except Unavailable as error:
                log.warning("some events wait for the name of their topic: Reference Data API: %s", error)


def _finish(a_slice: SliceRef, url: str, report: SliceReport) -> None:
    """Publish what ended, tell what happened, and go red where a person is needed."""
    counts = ", ".join(f"{n} {what}" for what, n in report.counts.items())
    log.info("slice %s: %s", a_slice["label"], counts or "nothing left to do")
    if report.stopped_early:
        log.warning("stopped early, no attempt spent: %s", report.stopped_early)
    try:
        publish(a_slice["slice_id"], url)
    except Exception:  # the ends are committed; the next run of document_monitoring publishes them
        log.exception("final events could not be published now")
    for end in report.red_ends:
        log.error("request %s %s at %s: %s: %s", end.request_id, end.status, end.stage, end.category, end.description)
    if report.red_ends:
        raise NeedsAPerson(
            f"{len(report.red_ends)} requests of this slice need a person; clear this task instance to try them again",
            [f"request {end.request_id}: {end.status} at {end.stage}, {end.category}" for end in report.red_ends],
        )


def _run(work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
