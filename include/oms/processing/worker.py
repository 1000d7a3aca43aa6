"""document_processing: one slice, from claimed requests to batches at Thunderhead.

Enrich, build the XML, write the intent, submit, record; then take more into the slice, where more is due. Each write
is one statement, committed before the next step begins, so a worker may die at any line; docs/state-machine.md says
who picks up what.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base.chunks import chunks
from include.oms.base.settings import Settings
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing.enrichment import enrich
from include.oms.processing.recording import record, wait_seconds
from include.oms.processing.submission import MEANWHILE, Submission
from include.oms.processing.work import Contents, Document, HeldRequest, Result, in_doubt_document
from include.oms.slices.claim import take_more
from include.oms.slices.delay_queue import DelayQueue
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.report import SliceReport
from include.oms.slices.timing import LOOK_SECONDS
from include.oms.words.model import Category, Job, Stage
from include.oms.words.state_machine import Outcome

QUERIES = HoldQueries(renew="renew_request_leases", reclaim="reclaim_slice", take="hold_requests")
MAX_TAKEOVERS = 5  # workers in a row that may die on a request before it is set aside as FAILED
SHORT_LOOK_SECONDS = 0.05  # while there is work in hands
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
        thunderhead.door.until = reference_data.door.until = hold.stay.until
        await Processing(hold, thunderhead, reference_data).work()
    return hold.report


class Processing:
    """One worker's way through its slice."""

    def __init__(self, hold: Hold, thunderhead: Thunderhead, reference_data: ReferenceData) -> None:
        self._hold = hold
        self._doors = (reference_data.door, thunderhead.door)
        self._reference_data = reference_data
        self._submission = Submission(hold, thunderhead)
        self._waiting: DelayQueue[HeldRequest] = DelayQueue()  # for the Reference Data API, or for a settling time
        self._contents = Contents()

    async def work(self) -> None:
        """Enrich and submit what the slice holds, and take more into it, until it is time to end."""
        async with self._submission.running():
            held = await held_requests(self._hold)
            while True:
                if held:
                    self._take_note(held)
                    await self._prepare(held)
                await self._prepare(self._waiting.due(PREPARED_AT_ONCE))
                await self._submission.hand_over_again()
                if self._in_hands:
                    self._hold.stay.works()
                elif self._is_through:
                    break
                if self._hold.stay.seconds_left <= 0 or self._is_paused:
                    break
                held = await self._more()
                if not held:
                    await asyncio.sleep(LOOK_SECONDS if self._submission.in_hands == 0 else SHORT_LOOK_SECONDS)
            await self._give_back()
        for door in self._doors:
            await door.tell()
        self._hold.report.label = self._contents.label_if_grown
        self._hold.report.stopped_early = next((door.why_closed for door in self._doors if door.why_closed), None)

    @property
    def _in_hands(self) -> int:
        return self._submission.in_hands + len(self._waiting)

    @property
    def _is_through(self) -> bool:
        """Whether to end, with nothing in hands. A request that ended red: its task instance is to turn red now."""
        stay = self._hold.stay
        return stay.is_over or stay.is_idle or bool(self._hold.report.ended_red)

    @property
    def _is_paused(self) -> bool:
        return any(door.is_paused for door in self._doors)

    def _take_note(self, held: Sequence[HeldRequest]) -> None:
        self._contents.add(held)
        self._hold.report.count("held", len(held))
        self._hold.stay.works()

    async def _more(self) -> list[HeldRequest]:
        """What has come due meanwhile, where there is room for a good part of a slice."""
        room = self._hold.settings.slice_size - self._in_hands
        if self._hold.stay.is_over or room < max(self._hold.settings.slice_size // 2, 1) or self._hold.report.ended_red:
            return []
        (queue,) = await self._hold.rows("requests_are_due")
        if not queue["are_due"] or not await take_more(self._hold, Job.PROCESSING, most=room):
            return []
        return [it for it in await held_requests(self._hold) if self._contents.is_new(it)]

    async def _prepare(self, held: Sequence[HeldRequest]) -> None:
        """Hand over what can be, some at a time: the first are on their way while more are made."""
        for chunk in chunks(held, PREPARED_AT_ONCE):
            documents, results = [], []
            for request in chunk:
                prepared = await self._document_of(request)
                if isinstance(prepared, Document):
                    documents.append(prepared)
                elif prepared is not None:
                    results.append(prepared)
            await record(self._hold, results)
            await self._submission.hand_over(documents)

    async def _document_of(self, request: HeldRequest) -> Document | Result | None:
        """The document, or the result where there is none; None where the request waits in the slice."""
        settings = self._hold.settings
        if request.takeovers >= MAX_TAKEOVERS:
            return _set_aside(request)
        if request.unsure_since is not None:
            settled_in = settling_left(request, settings)
            if settled_in <= 0:
                return in_doubt_document(request)
            return self._kept(Result(request, stage=Stage.SUBMISSION, outcome=Outcome.UNSURE, wait_seconds=settled_in))
        prepared = await enrich(request, self._reference_data, settings)
        is_turned_back = isinstance(prepared, Result) and prepared.outcome is Outcome.UNAVAILABLE
        return self._kept(prepared) if is_turned_back and isinstance(prepared, Result) else prepared

    def _kept(self, result: Result) -> Result | None:
        """None, and the request waits in the slice, where its wait ends in time; else the result, to put it back."""
        wait, stay = wait_seconds(result, self._hold.settings), self._hold.stay
        is_in_time = wait < stay.seconds_left if result.outcome is Outcome.UNSURE else stay.keeps_for(wait)
        if not is_in_time or self._is_paused:
            return result
        self._waiting.put(result.request, monotonic() + wait)
        return None

    async def _give_back(self) -> None:
        """What waited for its preparation."""
        await record(
            self._hold,
            [
                Result(
                    request, stage=Stage.ENRICHMENT, outcome=Outcome.UNAVAILABLE, wait_seconds=0.0, was_called=False,
                    description=MEANWHILE,
                )
                for request in self._waiting.clear()
            ],
        )  # fmt: skip


async def held_requests(hold: Hold) -> list[HeldRequest]:
    """All that this worker holds, in the order of the claim."""
    return await hold.objects(HeldRequest, "held_requests")


def settling_left(request: HeldRequest, settings: Settings) -> float:
    """Seconds until a look-up can be believed: the settling time since a worker may have been at a submit."""
    age = monotonic() - request.read_at
    return settings.settling_seconds + (request.unsure_for_seconds or 0.0) - age


def _set_aside(request: HeldRequest) -> Result:
    """End a request whose workers died again and again: a person looks before it is taken up once more."""
    return Result(
        request, stage=Stage.SUBMISSION, outcome=Outcome.FAILED_PERMANENT, category=Category.WORKER_DIED,
        description=f"{request.takeovers} workers in a row died while they held it",
    )  # fmt: skip
