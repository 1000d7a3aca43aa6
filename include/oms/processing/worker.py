"""document_processing: one slice, from claimed requests to batches at Thunderhead.

Enrich, build the XML, write the intent, submit, record; then take more into the slice, where more is due. Each write
is one statement, committed before the next step begins, so a worker may die at any line; docs/state-machine.md says
who picks up what.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.outside.breaker import Breaker, System, health_of
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing.enrichment import enrich
from include.oms.processing.recording import record
from include.oms.processing.submission import Submission
from include.oms.processing.work import Contents, Document, HeldRequest, Result, in_doubt
from include.oms.slices.lease import Lease, renewed
from include.oms.slices.slices import SliceReport, Stay, close_slice, open_slice, take_more, take_over
from include.oms.words.model import Category, Job, Stage
from include.oms.words.state_machine import Outcome

LOOK_SECONDS = 0.1  # a worker that waits for more looks so often
PREPARED_AT_ONCE = 100  # few enough that the calls to Thunderhead go on meanwhile


async def process_slice(
    connection: AsyncConnection[DictRow],
    slice_id: int,
    *,
    generation: int,
    map_index: int,
    thunderhead: Thunderhead,
    reference_data: ReferenceData,
    settings: Settings,
    tell_ends: Callable[[], None] = lambda: None,
) -> SliceReport:
    """Work one slice to its end, or until an outage stops it early.

    ``generation`` is the task instance's ``max_tries``: higher than the one that last worked the slice means
    that an operator cleared it, and its ended requests are driven again. ``tell_ends`` is called after each commit
    that ended requests. Raises psycopg.Error where the database is out of reach; a later run then takes over.
    """
    opened = await open_slice(connection, slice_id, generation=generation, map_index=map_index)
    report = SliceReport(tell_ends)
    await take_over(
        connection, opened, report, reclaim="reclaim_slice", hold="hold_requests", lease_seconds=settings.lease_seconds
    )
    lease = opened.lease
    worked, stay = Contents(), Stay(opened, settings)
    async with renewed(lease, connection, renewal="renew_request_leases", lease_seconds=settings.lease_seconds):
        held = await held_requests(connection, lease)
        while held:
            worked.add(held)
            report.count("held", len(held))
            prepared = _prepared(connection, held, reference_data, lease, report, settings)
            await _submit(
                connection, prepared, min(len(held), settings.concurrency), thunderhead, lease, report, settings
            )
            held = [] if report.stopped_early else await _more(connection, lease, stay, report, settings)
    await close_slice(connection, lease, report, worked.label_if_grown)
    return report


async def _more(
    connection: AsyncConnection[DictRow], lease: Lease, stay: Stay, report: SliceReport, settings: Settings
) -> list[HeldRequest]:
    """What has come due meanwhile, or comes in the next moment; nothing where it is time to end.

    A person who is needed is to know at once, and waits for nothing that may come.
    """
    stay.works()
    while not (stay.is_over or stay.is_idle):
        asked_at = monotonic()
        (queue,) = await database.rows(connection, "requests_are_due")
        if queue["are_due"] and await take_more(connection, Job.PROCESSING, lease, settings, most=settings.slice_size):
            lease.took_all_at(asked_at, settings.lease_seconds)
            return await held_requests(connection, lease)
        if report.counts.get("ended"):
            break
        await asyncio.sleep(LOOK_SECONDS)
    return []


async def held_requests(connection: AsyncConnection[DictRow], lease: Lease) -> list[HeldRequest]:
    """All that this worker holds, in the order of the claim."""
    cursor = connection.cursor(row_factory=class_row(HeldRequest))
    await cursor.execute(query("held_requests"), {"slice_id": lease.slice_id, "lease_token": lease.token})
    return await cursor.fetchall()


async def _prepared(
    connection: AsyncConnection[DictRow],
    held: Sequence[HeldRequest],
    reference_data: ReferenceData,
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> AsyncIterator[list[Document]]:
    """The documents that can be handed over now, some at a time: the first are on their way while more are made."""
    health = await health_of(connection, System.REFERENCE_DATA)
    breaker = Breaker(System.REFERENCE_DATA, on_probation=health.on_probation)
    for chunk in chunks(held, PREPARED_AT_ONCE):
        await breaker.heed(connection)
        documents, results = await _prepare(chunk, reference_data, breaker, settings)
        await record(connection, results, lease=lease, report=report, settings=settings)
        yield documents
    await breaker.share(connection)
    if breaker.is_open:
        report.stopped_early = breaker.reason


async def _prepare(
    held: Sequence[HeldRequest], reference_data: ReferenceData, breaker: Breaker, settings: Settings
) -> tuple[list[Document], list[Result]]:
    """Documents, and results for those that cannot be handed over: these go where they belong."""
    poisonous = [request for request in held if request.takeovers >= settings.max_takeovers]
    sound = [request for request in held if request.takeovers < settings.max_takeovers]
    documents, results = in_doubt(sound, settings.settling_seconds)
    fresh, more = await enrich(
        [request for request in sound if request.unsure_since is None],
        reference_data,
        breaker,
        max_attempts=settings.max_attempts,
    )
    return documents + fresh, results + more + [_set_aside(request) for request in poisonous]


async def _submit(
    connection: AsyncConnection[DictRow],
    prepared: AsyncIterator[Sequence[Document]],
    submitters: int,
    thunderhead: Thunderhead,
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> None:
    health = await health_of(connection, System.THUNDERHEAD)
    breaker = Breaker(System.THUNDERHEAD, on_probation=health.on_probation)
    submission = Submission(connection, thunderhead, breaker, lease=lease, report=report, settings=settings)
    await submission.submit_all(prepared, submitters)
    await breaker.share(connection)
    if breaker.is_open:
        report.stopped_early = f"Thunderhead: {breaker.reason}"


def _set_aside(request: HeldRequest) -> Result:
    """A request whose workers died again and again ends; a person has to look before it is taken up once more."""
    reason = f"{request.takeovers} workers in a row died while they held it"
    return Result(
        request, Stage.SUBMISSION, Outcome.FAILED_PERMANENT, category=Category.WORKER_DIED, description=reason
    )
