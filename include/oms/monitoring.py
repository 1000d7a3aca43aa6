"""document_monitoring: one slice of batches whose poll is due; ends are written with their final events."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms import database
from include.oms.breaker import Breaker, System, health_of
from include.oms.ends import End, bring_to_end
from include.oms.errors import Unavailable
from include.oms.failure_rules import backoff_of
from include.oms.lease import Lease, renewed
from include.oms.model import ENDS, BatchStatus, Job, Stage, Status
from include.oms.polling import HeldBatch, Verdict, failed_verdict, next_poll_seconds, verdict_of
from include.oms.settings import Settings
from include.oms.slices import SliceReport, close_slice, open_slice, take_over
from include.oms.sql import query
from include.oms.state_machine import Outcome
from include.oms.thunderhead import MOST_IDS_A_CALL, Batch, Thunderhead
from include.oms.work import chunks

BATCH_STATUS_AT_END = {
    Outcome.COMPLETED: BatchStatus.COMPLETED,
    Outcome.STOPPED: BatchStatus.STOPPED,
    Outcome.FAILED_TRANSIENT: BatchStatus.FAILED,
    Outcome.FAILED_PERMANENT: BatchStatus.FAILED,
}


async def poll_slice(
    connection: AsyncConnection[DictRow],
    slice_id: int,
    *,
    generation: int,
    map_index: int,
    thunderhead: Thunderhead,
    settings: Settings,
) -> SliceReport:
    """Ask about every batch of the slice, 100 a call, and write what was learned.

    ``generation`` as for ``process_slice``. Raises psycopg.Error where the database is out of reach.
    """
    opened = await open_slice(connection, slice_id, generation=generation, map_index=map_index)
    report = SliceReport()
    await take_over(
        connection, opened, report, reclaim="reclaim_batches", hold="hold_batches", lease_seconds=settings.lease_seconds
    )
    lease = opened.lease
    health = await health_of(connection, System.THUNDERHEAD)
    breaker = Breaker(System.THUNDERHEAD, on_probation=health.on_probation)
    async with renewed(lease, connection, renewal="renew_batch_leases", lease_seconds=settings.lease_seconds):
        held = await held_batches(connection, lease)
        report.count("held", len(held))
        for chunk in chunks(held, MOST_IDS_A_CALL):
            await breaker.heed(connection)
            verdicts = await _poll(chunk, thunderhead, breaker, settings)
            await _write(connection, verdicts, lease, report, settings)
    await breaker.share(connection)
    if breaker.is_open:
        report.stopped_early = f"Thunderhead: {breaker.reason}"
    await close_slice(connection, lease, report)
    return report


async def held_batches(connection: AsyncConnection[DictRow], lease: Lease) -> list[HeldBatch]:
    """All that this worker holds, the longest due first."""
    cursor = connection.cursor(row_factory=class_row(HeldBatch))
    await cursor.execute(query("held_batches"), {"slice_id": lease.slice_id, "lease_token": lease.token})
    return await cursor.fetchall()


async def _poll(
    batches: Sequence[HeldBatch], thunderhead: Thunderhead, breaker: Breaker, settings: Settings
) -> list[Verdict]:
    """One bulk look-up, then the reasons of those that failed."""
    try:
        if breaker.is_open:
            raise Unavailable(breaker.reason)
        found = await thunderhead.find_by_ids([batch.thunderhead_batch_id for batch in batches])
        breaker.answered()
    except Unavailable as error:
        if not breaker.is_open:
            breaker.failed(str(error), error.retry_after)
        return [Verdict(batch, Stage.GENERATION, Outcome.UNAVAILABLE) for batch in batches]
    gate = asyncio.Semaphore(settings.concurrency)
    return await asyncio.gather(
        *(_verdict(batch, found.get(batch.thunderhead_batch_id), thunderhead, gate, settings) for batch in batches)
    )


async def _verdict(
    batch: HeldBatch, found: Batch | None, thunderhead: Thunderhead, gate: asyncio.Semaphore, settings: Settings
) -> Verdict:
    verdict = verdict_of(batch, found, settings)
    try:
        async with gate:
            if verdict is not None and verdict.stage is Stage.MONITORING:  # an end for want of an answer: ask twice
                named = await thunderhead.find_all_by_name(batch.batch_name)
                found = next((it for it in named if it.batch_id == batch.thunderhead_batch_id), None)
                verdict = verdict_of(batch, found, settings)
            if verdict is not None:
                return verdict
            errors = await thunderhead.errors_of(batch.thunderhead_batch_id)
    except Unavailable as error:
        if batch.age_seconds < settings.overdue_seconds:
            return Verdict(batch, Stage.GENERATION, Outcome.UNAVAILABLE, description=str(error))
        if verdict is not None:
            return verdict
        errors = []
    return failed_verdict(batch, errors, settings)


async def _write(
    connection: AsyncConnection[DictRow],
    verdicts: Sequence[Verdict],
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> None:
    """Batches, requests and final events of one look-up, in one transaction."""
    over = [verdict for verdict in verdicts if verdict.outcome in BATCH_STATUS_AT_END]
    open_ = [verdict for verdict in verdicts if verdict.outcome not in BATCH_STATUS_AT_END]
    async with connection.transaction():
        if open_:
            await _schedule_polls(connection, open_, lease, settings)
        ended = await _end_batches(connection, over, lease) if over else set()
        mine = [verdict for verdict in over if verdict.batch.request_id in ended]
        ends = [_end(verdict) for verdict in mine if verdict.move.status in ENDS]
        if ends:
            ends = await bring_to_end(
                connection, ends, from_status=Status.PROCESSING, lease_token=None,
                slice_id=lease.slice_id, actor=Job.MONITORING,
            )  # fmt: skip
        again = [verdict for verdict in mine if verdict.move.status is Status.QUEUED]
        if again:
            await _requeue(connection, again, lease, settings)
    report.count("still generating", len(open_))
    report.count("completed", sum(end.status is Status.COMPLETED for end in ends))
    report.count("to be tried again", len(again))
    report.count("ended red", sum(end.status is not Status.COMPLETED for end in ends))


async def _schedule_polls(
    connection: AsyncConnection[DictRow], verdicts: Sequence[Verdict], lease: Lease, settings: Settings
) -> None:
    await database.execute(
        connection,
        "schedule_polls",
        batch_keys=[verdict.batch.batch_key for verdict in verdicts],
        wait_seconds=[next_poll_seconds(verdict.batch.age_seconds, settings) for verdict in verdicts],
        asked=[verdict.outcome is Outcome.GENERATING for verdict in verdicts],
        lease_token=lease.token,
    )


async def _end_batches(connection: AsyncConnection[DictRow], verdicts: Sequence[Verdict], lease: Lease) -> set[int]:
    """The requests whose batches this worker did end: the fence of all that follows."""
    ended = await database.rows(
        connection,
        "end_batches",
        batch_keys=[verdict.batch.batch_key for verdict in verdicts],
        statuses=[BATCH_STATUS_AT_END[verdict.outcome] for verdict in verdicts],
        dms_document_ids=[verdict.dms_document_id for verdict in verdicts],
        slice_id=lease.slice_id,
        lease_token=lease.token,
    )
    return {row["request_id"] for row in ended}


async def _requeue(
    connection: AsyncConnection[DictRow], verdicts: Sequence[Verdict], lease: Lease, settings: Settings
) -> None:
    await database.rows(
        connection,
        "requeue_failed_generations",
        request_ids=[verdict.batch.request_id for verdict in verdicts],
        wait_seconds=[
            backoff_of(verdict.stage, verdict.category, verdict.batch.spent, settings) for verdict in verdicts
        ],
        categories=[verdict.category for verdict in verdicts],
        descriptions=[verdict.description for verdict in verdicts],
        slice_id=lease.slice_id,
    )


def _end(verdict: Verdict) -> End:
    return End(verdict.batch.request_id, verdict.move.status, verdict.stage, verdict.category, verdict.description)
