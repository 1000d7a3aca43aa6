"""document_monitoring: one slice of batches, polled as they fall due; ends are written with their final events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.ending.final_status import End, bring_to_end
from include.oms.monitoring.verdicts import HeldBatch, Verdict, failed_verdict, next_poll_seconds, verdict_of
from include.oms.outside.adaptive_rate import AdaptiveRate
from include.oms.outside.breaker import Breaker, System, health_of
from include.oms.outside.thunderhead import MOST_IDS_A_CALL, Batch, Thunderhead
from include.oms.slices.cutting import label_of_batches
from include.oms.slices.lease import Lease, renewed
from include.oms.slices.slices import (
    SliceReport,
    Stay,
    close_slice,
    open_slice,
    take_more,
    take_over,
    work_is_on_its_way,
)
from include.oms.words.errors import Limited, Unavailable
from include.oms.words.failure_rules import backoff_of
from include.oms.words.model import ENDS, BatchStatus, Job, Stage, Status
from include.oms.words.state_machine import Outcome

LEAST_ROUND_SECONDS = 0.1
LONGEST_ROUND_SECONDS = 0.25
FAR_AHEAD_SECONDS = 2.0  # a worker does not wait longer for a poll to fall due: it lets the batch go until then

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
    tell_ends: Callable[[], None] = lambda: None,
) -> SliceReport:
    """Ask about every batch of the slice, 100 a call, and write what was learned; for a while, as they fall due.

    ``generation`` as for ``process_slice``. ``tell_ends`` is called after each commit that ended requests. Raises
    psycopg.Error where the database is out of reach.
    """
    opened = await open_slice(connection, slice_id, generation=generation, map_index=map_index)
    report = SliceReport(tell_ends)
    await take_over(
        connection, opened, report, reclaim="reclaim_batches", hold="hold_batches", lease_seconds=settings.lease_seconds
    )
    lease = opened.lease
    health = await health_of(connection, System.THUNDERHEAD)
    breaker = Breaker(System.THUNDERHEAD, on_probation=health.on_probation)
    polling = Polling(connection, thunderhead, breaker, lease=lease, report=report, settings=settings)
    async with renewed(lease, connection, renewal="renew_batch_leases", lease_seconds=settings.lease_seconds):
        await polling.work(Stay(opened, settings))
    await breaker.share(connection)
    if breaker.is_open:
        report.stopped_early = f"Thunderhead: {breaker.reason}"
    await close_slice(connection, lease, report, polling.label_if_grown)
    return report


class Polling:
    """One worker's polls."""

    def __init__(
        self,
        connection: AsyncConnection[DictRow],
        thunderhead: Thunderhead,
        breaker: Breaker,
        *,
        lease: Lease,
        report: SliceReport,
        settings: Settings,
    ) -> None:
        self._connection = connection
        self._thunderhead = thunderhead
        self._breaker = breaker
        self._lease = lease
        self._report = report
        self._settings = settings
        self._rate = AdaptiveRate(
            System.THUNDERHEAD, slow_seconds=settings.poll_timeout_seconds / 3, finds_the_rate=False
        )
        self._held: dict[int, HeldBatch] = {}
        self._request_ids: set[int] = set()
        self._cut_with = 0

    @property
    def label_if_grown(self) -> str | None:
        """The slice's name with all that it has held; None where that is what it was cut with."""
        return None if len(self._request_ids) == self._cut_with else label_of_batches(self._request_ids)

    async def work(self, stay: Stay) -> None:
        """Poll what falls due and take more, until it is time to end; then let go of what is still generating."""
        await self._hold()
        self._cut_with = len(self._request_ids)
        while True:
            await self._poll_due()
            if self._breaker.is_open:
                break
            await self._let_go(later_than=FAR_AHEAD_SECONDS)
            if stay.is_over:
                break
            if await self._takes_more():
                stay.works()
            elif not self._held and await self._has_nothing_to_wait_for(stay):
                break
            await asyncio.sleep(self._pause())
        await self._let_go()

    async def _hold(self) -> None:
        """Take note of all that this worker holds."""
        new = [it for it in await held_batches(self._connection, self._lease) if it.batch_key not in self._held]
        self._held |= {batch.batch_key: batch for batch in new}
        self._request_ids |= {batch.request_id for batch in new}
        self._report.count("held", len(new))

    async def _has_nothing_to_wait_for(self, stay: Stay) -> bool:
        """A person who is needed is to know at once; else there may come something."""
        if self._report.counts.get("ended red"):
            return True
        return stay.is_idle and not await work_is_on_its_way(self._connection)

    async def _takes_more(self) -> bool:
        room = self._settings.slice_size - len(self._held)
        if not await take_more(self._connection, Job.MONITORING, self._lease, self._settings, most=room):
            return False
        await self._hold()
        return True

    def _pause(self) -> float:
        """Until the next poll; but a moment at least, for what falls due together is asked together."""
        next_due = min((batch.due_at for batch in self._held.values()), default=inf) - monotonic()
        return min(max(next_due, LEAST_ROUND_SECONDS), LONGEST_ROUND_SECONDS)

    async def _poll_due(self) -> None:
        """One round: all that is due, 100 a call, and one commit."""
        now = monotonic()
        due = [batch.as_of_now() for batch in self._held.values() if batch.due_at <= now]
        if not due:
            return
        await self._breaker.heed(self._connection)
        answered = await asyncio.gather(
            *(
                _poll(chunk, self._thunderhead, self._breaker, self._rate, self._settings)
                for chunk in chunks(due, MOST_IDS_A_CALL)
            )
        )
        await self._rate.share(self._connection)
        verdicts = [verdict for answer in answered for verdict in answer]
        over = [verdict for verdict in verdicts if verdict.outcome in BATCH_STATUS_AT_END]
        open_ = [verdict for verdict in verdicts if verdict.outcome not in BATCH_STATUS_AT_END]
        for verdict in open_:
            self._held[verdict.batch.batch_key] = verdict.batch.again_in(
                next_poll_seconds(verdict.batch.age_seconds, self._settings),
                was_answered=verdict.outcome is Outcome.GENERATING,
            )
        if over:
            await _write(self._connection, over, self._lease, self._report, self._settings)
            for verdict in over:
                del self._held[verdict.batch.batch_key]

    async def _let_go(self, later_than: float = -inf) -> None:
        """Whoever comes first after the next poll falls due takes them up again."""
        horizon = monotonic() + later_than
        away = [batch for batch in self._held.values() if batch.due_at > horizon]
        if away:
            await _schedule_polls(self._connection, away, self._lease)
            self._report.count("still generating", len(away))
        for batch in away:
            del self._held[batch.batch_key]


async def held_batches(connection: AsyncConnection[DictRow], lease: Lease) -> list[HeldBatch]:
    """All that this worker holds, the longest due first."""
    cursor = connection.cursor(row_factory=class_row(HeldBatch))
    await cursor.execute(query("held_batches"), {"slice_id": lease.slice_id, "lease_token": lease.token})
    return await cursor.fetchall()


async def _poll(
    batches: Sequence[HeldBatch], thunderhead: Thunderhead, breaker: Breaker, rate: AdaptiveRate, settings: Settings
) -> list[Verdict]:
    """One bulk look-up, then the reasons of those that failed."""
    try:
        if breaker.is_open:
            raise Unavailable(breaker.reason)
        await rate.wait()
        began = monotonic()
        found = await thunderhead.find_by_ids([batch.thunderhead_batch_id for batch in batches])
        breaker.answered()
        rate.answered(monotonic() - began)
    except Limited as error:
        breaker.answered()
        rate.limited(error.retry_after or 0.0)
        return [Verdict(batch, Stage.GENERATION, Outcome.UNAVAILABLE) for batch in batches]
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
    over: Sequence[Verdict],
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> None:
    """Batches, requests and final events of those that are over, in one transaction."""
    async with connection.transaction():
        ended = await _end_batches(connection, over, lease)
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
    if ends:
        report.tell_ends()
    report.count("completed", sum(end.status is Status.COMPLETED for end in ends))
    report.count("to be tried again", len(again))
    report.count("ended red", sum(end.status is not Status.COMPLETED for end in ends))


async def _schedule_polls(connection: AsyncConnection[DictRow], batches: Sequence[HeldBatch], lease: Lease) -> None:
    now = monotonic()
    await database.execute(
        connection,
        "schedule_polls",
        batch_keys=[batch.batch_key for batch in batches],
        wait_seconds=[max(batch.due_at - now, 0.0) for batch in batches],
        polls=[batch.polls for batch in batches],
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
        polls=[verdict.batch.polls + 1 for verdict in verdicts],
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
