"""document_monitoring: poll one slice of batches as they fall due, and write ends with their final events."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base.chunks import chunks
from include.oms.base.places import places_of
from include.oms.base.settings import Settings
from include.oms.monitoring.recording import BATCH_STATUS_AT_END, record, schedule_polls
from include.oms.monitoring.verdicts import (
    HeldBatch,
    Verdict,
    deadly_verdict,
    failed_verdict,
    next_poll_seconds,
    verdict_of,
)
from include.oms.outside.thunderhead import MOST_IDS_A_CALL, Batch, Thunderhead
from include.oms.slices.claim import take_more, work_is_on_its_way
from include.oms.slices.cutting import MAX_TAKEOVERS, label_of_batches
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.report import SliceReport
from include.oms.slices.timing import FAR_AHEAD_SECONDS, LEAST_ROUND_SECONDS, LONGEST_ROUND_SECONDS
from include.oms.words.errors import NotInTime, Unavailable
from include.oms.words.model import Job, Stage
from include.oms.words.state_machine import Outcome

log = logging.getLogger("oms")

QUERIES = HoldQueries(renew="renew_batch_leases", reclaim="reclaim_batches", take="hold_batches")


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
    """Poll every batch of the slice when it falls due, 100 a call, and record the verdicts, for a limited time.

    ``generation`` as for ``process_slice``. ``tell_ends`` is called after each commit that ended requests. Raises
    psycopg.Error if the database is out of reach.
    """
    async with held_slice(
        connection, slice_id, queries=QUERIES, generation=generation, map_index=map_index, settings=settings,
        tell_ends=tell_ends,
    ) as hold:  # fmt: skip
        thunderhead.door.until = hold.time.until
        polling = Polling(hold, thunderhead)
        await polling.work()
        await thunderhead.door.tell()
        hold.report.stopped_early = thunderhead.door.why_closed
        hold.report.label = polling.label_if_grown
    return hold.report


class Polling:
    """The polls of one worker."""

    def __init__(self, hold: Hold, thunderhead: Thunderhead) -> None:
        self._hold = hold
        self._thunderhead = thunderhead
        self._held: dict[int, HeldBatch] = {}
        self._request_ids: set[int] = set()
        self._cut_with = 0

    @property
    def label_if_grown(self) -> str | None:
        """The slice's label with all its batches; None if it claimed no more than it was cut with."""
        return None if len(self._request_ids) == self._cut_with else label_of_batches(self._request_ids)

    async def work(self) -> None:
        """Poll batches that fall due and claim more, until time is up; then release those that are still generating."""
        time = self._hold.time
        await self._take_note()
        self._cut_with = len(self._request_ids)
        while True:
            await self._poll_due()
            if self._thunderhead.door.closed_for is not None:
                break
            await self._let_go(later_than=FAR_AHEAD_SECONDS)
            if time.is_over:
                break
            if await self._takes_more():
                time.works()
            elif not self._held and await self._has_nothing_to_wait_for():
                break
            await asyncio.sleep(self._pause())
        await self._let_go()

    async def _take_note(self) -> None:
        """Of all that this worker holds."""
        new = [it for it in await held_batches(self._hold) if it.batch_key not in self._held]
        self._held |= {batch.batch_key: batch for batch in new if batch.takeovers < MAX_TAKEOVERS}
        if deadly := [batch for batch in new if batch.takeovers >= MAX_TAKEOVERS]:
            await record(self._hold, [deadly_verdict(batch) for batch in deadly])
        self._request_ids |= {batch.request_id for batch in new}
        self._hold.report.count("held", len(new))

    async def _has_nothing_to_wait_for(self) -> bool:
        """Whether to end now: a request ended red, so the task instance is to turn red; or nothing more will come."""
        if self._hold.report.ended_red:
            return True
        return self._hold.time.is_idle and not await work_is_on_its_way(self._hold.connection)

    async def _takes_more(self) -> bool:
        room = self._hold.settings.slice_size - len(self._held)
        if not await take_more(self._hold, Job.MONITORING, most=room):
            return False
        await self._take_note()
        return True

    def _pause(self) -> float:
        """Seconds until the next poll, at least ``LEAST_ROUND_SECONDS``: one call asks about many batches."""
        next_due = min((batch.due_at for batch in self._held.values()), default=inf) - monotonic()
        return min(max(next_due, LEAST_ROUND_SECONDS), LONGEST_ROUND_SECONDS)

    async def _poll_due(self) -> None:
        """One round: poll all due batches, 100 a call, and commit once."""
        now = monotonic()
        due = [batch.as_of_now() for batch in self._held.values() if batch.due_at <= now]
        if not due:
            return
        settings = self._hold.settings
        answered = await asyncio.gather(
            *(_poll(chunk, self._thunderhead, settings) for chunk in chunks(due, MOST_IDS_A_CALL))
        )
        verdicts = [verdict for answer in answered for verdict in answer]
        over = [verdict for verdict in verdicts if verdict.outcome in BATCH_STATUS_AT_END]
        open_ = [verdict for verdict in verdicts if verdict.outcome not in BATCH_STATUS_AT_END]
        if survived := [it.request_id for it in open_ if it.batch.takeovers and it.outcome is Outcome.GENERATING]:
            await self._hold.execute("forget_deaths", request_ids=survived)
        for verdict in open_:
            self._held[verdict.batch.batch_key] = verdict.batch.again_in(
                max(next_poll_seconds(verdict.batch.age_seconds, settings), verdict.wait_seconds or 0.0),
                was_answered=verdict.outcome is Outcome.GENERATING,
                settings=settings,
            )
        if over:
            await record(self._hold, over)
            for verdict in over:
                del self._held[verdict.batch.batch_key]

    async def _let_go(self, later_than: float = -inf) -> None:
        """Release batches whose next poll is later. The next run claims them when it is due."""
        horizon = monotonic() + later_than
        away = [batch for batch in self._held.values() if batch.due_at > horizon]
        if away:
            await schedule_polls(self._hold, away)
        for batch in away:
            del self._held[batch.batch_key]


async def held_batches(hold: Hold) -> list[HeldBatch]:
    """The batches that this worker holds, the longest due first."""
    return await hold.objects(HeldBatch, "held_batches")


async def _poll(batches: Sequence[HeldBatch], thunderhead: Thunderhead, settings: Settings) -> list[Verdict]:
    """Look up many batches in one call, then read the errors of those that failed."""
    try:
        found = await thunderhead.find_by_ids([batch.thunderhead_batch_id for batch in batches])
    except (Unavailable, NotInTime) as error:
        wait = error.retry_after if isinstance(error, Unavailable) else None
        return [
            Verdict(batch, stage=Stage.GENERATION, outcome=Outcome.UNAVAILABLE, wait_seconds=wait) for batch in batches
        ]
    return await asyncio.gather(
        *(_contained(batch, found.get(batch.thunderhead_batch_id), thunderhead, settings) for batch in batches)
    )


async def _contained(batch: HeldBatch, found: Batch | None, thunderhead: Thunderhead, settings: Settings) -> Verdict:
    """The verdict on one batch. An error that nobody foresaw holds up no other batch: this one is polled again."""
    try:
        return await _verdict(batch, found, thunderhead, settings)
    except (psycopg.Error, MemoryError):  # these concern all
        raise
    except Exception as error:  # noqa: BLE001
        where = ", ".join(places_of(error))
        log.error("request %d: no verdict on its batch: %s at %s", batch.request_id, type(error).__name__, where)
        return Verdict(batch, stage=Stage.GENERATION, outcome=Outcome.UNAVAILABLE)


async def _verdict(batch: HeldBatch, found: Batch | None, thunderhead: Thunderhead, settings: Settings) -> Verdict:
    verdict = verdict_of(batch, found, settings)
    try:
        if verdict is not None and verdict.stage is Stage.MONITORING:  # it would end without an answer: ask twice
            named = await thunderhead.find_all_by_name(batch.batch_name)
            found = next((it for it in named if it.batch_id == batch.thunderhead_batch_id), None)
            verdict = verdict_of(batch, found, settings)
        if verdict is not None:
            return verdict
        errors = await thunderhead.errors_of(batch.thunderhead_batch_id)
    except (Unavailable, NotInTime) as error:
        if batch.asked_for_seconds(settings) < settings.overdue_seconds:
            return Verdict(batch, stage=Stage.GENERATION, outcome=Outcome.UNAVAILABLE, description=str(error))
        if verdict is not None:
            return verdict
        errors = []
    return failed_verdict(batch, errors, settings)
