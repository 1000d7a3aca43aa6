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
from include.oms.slices.claim import take_more
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.report import SliceReport
from include.oms.slices.timing import LOOK_SECONDS
from include.oms.words.model import Category, Job, Stage
from include.oms.words.state_machine import Outcome

QUERIES = HoldQueries(renew="renew_request_leases", reclaim="reclaim_slice", take="hold_requests")
MAX_TAKEOVERS = 5  # workers in a row that may die on a request before it is set aside as FAILED
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
    async with held_slice(
        connection, slice_id, queries=QUERIES, generation=generation, map_index=map_index, settings=settings,
        tell_ends=tell_ends,
    ) as hold:  # fmt: skip
        worked = Contents()
        held = await held_requests(hold)
        while held:
            worked.add(held)
            hold.report.count("held", len(held))
            await _submit(hold, thunderhead, _prepared(hold, held, reference_data), len(held))
            held = [] if hold.report.stopped_early else await _more(hold)
        hold.report.label = worked.label_if_grown
    return hold.report


async def held_requests(hold: Hold) -> list[HeldRequest]:
    """All that this worker holds, in the order of the claim."""
    cursor = hold.connection.cursor(row_factory=class_row(HeldRequest))
    await cursor.execute(query("held_requests"), {"slice_id": hold.lease.slice_id, "lease_token": hold.lease.token})
    return await cursor.fetchall()


async def _more(hold: Hold) -> list[HeldRequest]:
    """What has come due meanwhile, or comes due while the worker lingers; nothing where it is time to end.

    Does not linger where a request ended red: its task instance is to turn red now.
    """
    hold.stay.works()
    while not (hold.stay.is_over or hold.stay.is_idle):
        asked_at = monotonic()
        (queue,) = await hold.rows("requests_are_due")
        if queue["are_due"] and await take_more(hold, Job.PROCESSING, most=hold.settings.slice_size):
            hold.lease.took_all_at(asked_at, hold.settings.lease_seconds)
            return await held_requests(hold)
        if hold.report.ended_red:
            break
        await asyncio.sleep(LOOK_SECONDS)
    return []


async def _prepared(
    hold: Hold, held: Sequence[HeldRequest], reference_data: ReferenceData
) -> AsyncIterator[list[Document]]:
    """The documents that can be handed over now, some at a time: the first are on their way while more are made."""
    health = await health_of(hold.connection, System.REFERENCE_DATA)
    breaker = Breaker(System.REFERENCE_DATA, on_probation=health.on_probation)
    for chunk in chunks(held, PREPARED_AT_ONCE):
        await breaker.heed(hold.connection)
        documents, results = await _prepare(chunk, reference_data, breaker, hold.settings)
        await record(hold, results)
        yield documents
    await breaker.share(hold.connection)
    if breaker.is_open:
        hold.report.stopped_early = breaker.reason


async def _prepare(
    held: Sequence[HeldRequest], reference_data: ReferenceData, breaker: Breaker, settings: Settings
) -> tuple[list[Document], list[Result]]:
    """Documents, and results for those that cannot be handed over: these go where they belong."""
    poisonous = [request for request in held if request.takeovers >= MAX_TAKEOVERS]
    sound = [request for request in held if request.takeovers < MAX_TAKEOVERS]
    documents, results = in_doubt(sound, settings.settling_seconds)
    fresh, more = await enrich(
        [request for request in sound if request.unsure_since is None],
        reference_data,
        breaker,
        settings,
    )
    return documents + fresh, results + more + [_set_aside(request) for request in poisonous]


async def _submit(
    hold: Hold, thunderhead: Thunderhead, prepared: AsyncIterator[Sequence[Document]], number: int
) -> None:
    health = await health_of(hold.connection, System.THUNDERHEAD)
    breaker = Breaker(System.THUNDERHEAD, on_probation=health.on_probation)
    await Submission(hold, thunderhead, breaker).submit_all(prepared, min(number, hold.settings.concurrency))
    await breaker.share(hold.connection)
    if breaker.is_open:
        hold.report.stopped_early = f"Thunderhead: {breaker.reason}"


def _set_aside(request: HeldRequest) -> Result:
    """End a request whose workers died again and again: a person looks before it is taken up once more."""
    return Result(
        request, stage=Stage.SUBMISSION, outcome=Outcome.FAILED_PERMANENT, category=Category.WORKER_DIED,
        description=f"{request.takeovers} workers in a row died while they held it",
    )  # fmt: skip
