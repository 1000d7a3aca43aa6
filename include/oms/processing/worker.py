"""document_processing: one slice, from claimed requests to batches at Thunderhead.

Enrich, build the XML, write the intent, submit, record; then claim more due work into the slice. Each write is one
statement, committed before the next step begins, so a worker may die at any line. docs/state-machine.md says which run
continues in each case.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from time import monotonic

from msgspec.structs import replace
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base.chunks import chunks_by_size
from include.oms.base.settings import Settings
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing.enrichment import enrich
from include.oms.processing.recording import record, wait_seconds
from include.oms.processing.submission import MEANWHILE, Submission
from include.oms.processing.tries import Document, HeldRequest, SliceMembers, TryResult, in_doubt_document
from include.oms.slices.claim import take_more
from include.oms.slices.cutting import MAX_TAKEOVERS
from include.oms.slices.delay_queue import DelayQueue
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.report import SliceReport
from include.oms.slices.timing import LOOK_SECONDS
from include.oms.words.model import Category, Job, Stage
from include.oms.words.state_machine import Outcome

QUERIES = HoldQueries(renew="renew_request_leases", reclaim="reclaim_slice", take="hold_requests")
SHORT_LOOK_SECONDS = 0.05  # the same while calls are in flight
PREPARED_AT_ONCE = 100  # small, so that the calls to Thunderhead are not held up
PREPARED_BYTES_AT_ONCE = 8 * 1024 * 1024  # of content; a single larger one is prepared alone


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
    """Work one slice until it is done or an outage stops it.

    ``generation`` is the task instance's ``max_tries``: higher than the one that last worked the slice means
    that an operator cleared it, and its ended requests are driven again. ``tell_ends`` is called after each commit
    that ended requests. Raises psycopg.Error if the database is out of reach; a later run then takes over.
    """
    async with held_slice(
        connection, slice_id, queries=QUERIES, generation=generation, map_index=map_index, settings=settings,
        tell_ends=tell_ends,
    ) as hold:  # fmt: skip
        thunderhead.door.until = reference_data.door.until = hold.time.until
        await Processing(hold, thunderhead, reference_data).work()
    return hold.report


class Processing:
    """The work of one worker on its slice."""

    def __init__(self, hold: Hold, thunderhead: Thunderhead, reference_data: ReferenceData) -> None:
        self._hold = hold
        self._doors = (reference_data.door, thunderhead.door)
        self._reference_data = reference_data
        self._submission = Submission(hold, thunderhead)
        self._waiting: DelayQueue[HeldRequest] = DelayQueue()  # for the Reference Data API, or for a settling time
        self._members = SliceMembers()

    async def work(self) -> None:
        """Enrich and submit the slice's requests, and claim more into it, until there is no more or time is up."""
        async with self._submission.running():
            held = await held_requests(self._hold)
            while True:
                if held:
                    self._take_note(held)
                    await self._prepare(held)
                await self._prepare(self._waiting.due(PREPARED_AT_ONCE))
                await self._submission.hand_over_again()
                if self._in_hands:
                    self._hold.time.works()
                elif self._is_through:
                    break
                if self._hold.time.seconds_left <= 0 or self._is_paused:
                    break
                held = await self._more()
                if not held:
                    await asyncio.sleep(LOOK_SECONDS if self._submission.in_hands == 0 else SHORT_LOOK_SECONDS)
            await self._give_back()
        for door in self._doors:
            await door.tell()
        self._hold.report.label = self._members.label_if_grown
        self._hold.report.stopped_early = next((door.why_closed for door in self._doors if door.why_closed), None)

    @property
    def _in_hands(self) -> int:
        return self._submission.in_hands + len(self._waiting)

    @property
    def _is_through(self) -> bool:
        """Whether to end, when nothing is in hands. A red end ends the slice: its task instance must turn red now."""
        time = self._hold.time
        return time.is_over or time.is_idle or bool(self._hold.report.ended_red)

    @property
    def _is_paused(self) -> bool:
        return any(door.is_paused for door in self._doors)

    def _take_note(self, held: Sequence[HeldRequest]) -> None:
        self._members.add(held)
        self._hold.report.count("held", len(held))
        self._hold.time.works()

    async def _more(self) -> list[HeldRequest]:
        """Claim requests that have become due, if there is room for half a slice; return those that are new here."""
        room = self._hold.settings.slice_size - self._in_hands
        if self._hold.time.is_over or room < max(self._hold.settings.slice_size // 2, 1) or self._hold.report.ended_red:
            return []
        (queue,) = await self._hold.rows("requests_are_due")
        if not queue["are_due"] or not await take_more(self._hold, Job.PROCESSING, most=room):
            return []
        return [it for it in await held_requests(self._hold) if self._members.is_new(it)]

    async def _prepare(self, held: Sequence[HeldRequest]) -> None:
        """Make documents and hand them over in chunks: the first are submitted while the next are made."""
        for chunk in chunks_by_size(
            held, PREPARED_AT_ONCE, most_total=PREPARED_BYTES_AT_ONCE, size_of=lambda it: it.content_bytes
        ):
            documents, results = [], []
            for request in await with_contents(self._hold, chunk):
                prepared = await self._document_of(request)
                if isinstance(prepared, Document):
                    documents.append(prepared)
                elif prepared is not None:
                    results.append(prepared)
            await record(self._hold, results)
            await self._submission.hand_over(documents)

    async def _document_of(self, request: HeldRequest) -> Document | TryResult | None:
        """The document; the result if none can be made; None if the request waits in the slice."""
        settings = self._hold.settings
        if request.takeovers >= MAX_TAKEOVERS:
            return _set_aside(request)
        if request.unsure_since is not None:
            settled_in = settling_left(request, settings)
            if settled_in <= 0:
                return in_doubt_document(request)
            return self._kept(
                TryResult(request, stage=Stage.SUBMISSION, outcome=Outcome.UNSURE, wait_seconds=settled_in)
            )
        prepared = await enrich(request, self._reference_data, settings)
        is_turned_back = isinstance(prepared, TryResult) and prepared.outcome is Outcome.UNAVAILABLE
        return self._kept(prepared) if is_turned_back and isinstance(prepared, TryResult) else prepared

    def _kept(self, result: TryResult) -> TryResult | None:
        """Let the request wait in the slice and return None, if its wait ends in time; else return the result."""
        wait, time = wait_seconds(result, self._hold.settings), self._hold.time
        is_in_time = wait < time.seconds_left if result.outcome is Outcome.UNSURE else time.keeps_for(wait)
        if not is_in_time or self._is_paused:
            return result
        self._waiting.put(replace(result.request, content=None, xml=None), monotonic() + wait)
        return None

    async def _give_back(self) -> None:
        """Put back the requests that still wait for the Reference Data API or their settling time."""
        await record(
            self._hold,
            [
                TryResult(
                    request, stage=Stage.ENRICHMENT, outcome=Outcome.UNAVAILABLE, wait_seconds=0.0, was_called=False,
                    description=MEANWHILE,
                )
                for request in self._waiting.clear()
            ],
        )  # fmt: skip


async def held_requests(hold: Hold) -> list[HeldRequest]:
    """The requests that this worker holds, in the order of the claim."""
    return await hold.objects(HeldRequest, "held_requests")


async def with_contents(hold: Hold, requests: Sequence[HeldRequest]) -> list[HeldRequest]:
    """The same requests, with their content and the XML of their intents."""
    content: dict[int, str] = {}
    xml: dict[int, str] = {}
    if requests:
        ids = [request.request_id for request in requests]
        with_intents = [request.request_id for request in requests if request.batch_name]
        for row in await hold.rows("contents_of_requests", request_ids=ids, with_intents=with_intents):
            content |= {row["request_id"]: row["content"]} if row["content"] is not None else {}
            xml |= {row["request_id"]: row["xml"]} if row["xml"] is not None else {}
    return [replace(it, content=content.get(it.request_id), xml=xml.get(it.request_id)) for it in requests]


def settling_left(request: HeldRequest, settings: Settings) -> float:
    """Seconds until a look-up by name is reliable: the settling time after the last possible submit."""
    age = monotonic() - request.read_at
    return settings.settling_seconds + (request.unsure_for_seconds or 0.0) - age


def _set_aside(request: HeldRequest) -> TryResult:
    """End a request whose workers died again and again: an operator must look at it before it is tried again."""
    return TryResult(
        request, stage=Stage.SUBMISSION, outcome=Outcome.FAILED_PERMANENT, category=Category.WORKER_DIED,
        description=f"{request.takeovers} workers in a row died while they held this request",
    )  # fmt: skip
