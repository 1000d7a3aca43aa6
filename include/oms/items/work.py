"""The work of a kit's job: claim what is due, write the intent, act, look up after doubt, record.

An item is done, refused (red: a person is needed, a clear tries again), or waits for a later run. If a worker
finds an intent without a recorded outcome, it looks the effect up after the settling time, before it acts again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg.types.json import Jsonb

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.base.places import places_of
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.items.item import Act, Item, LookUp
from include.oms.outside.breaker import REQUESTS_ON_PROBATION
from include.oms.outside.door import Door
from include.oms.outside.rate_limit import EVERY_TYPE, health_of
from include.oms.outside.text import problem_text
from include.oms.outside.transport import Answer, unavailable
from include.oms.slices.by_day import END_OF_TIME, SLICES_NOTED, note_by_day
from include.oms.slices.claim import Claim, slice_refs
from include.oms.slices.claim_transaction import cut_slice
from include.oms.slices.cutting import DueRequest, cut_requests, slice_label
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.lease import Lease
from include.oms.slices.report import SliceReport
from include.oms.slices.slice_time import LONGEST_WORK_SECONDS
from include.oms.words.errors import (
    LeaseTooShort,
    NotConfigured,
    NotInTime,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)
from include.oms.words.failure_rules import backoff_seconds
from include.oms.words.model import Category

QUERIES = HoldQueries(hold="hold_items", renew="renew_item_leases")
NO_EFFECT = {"GET", "HEAD"}
WITHOUT_EFFECT_NOW = {401, 403, 407, 429}  # readable, and surely nothing was done
NEVER = {400, 404, 405, 406, 409, 410, 413, 415, 422, 451}
BYTES_AT_ONCE = 256 * 1024 * 1024  # of answers, by what they may be: the size of one is known once it is there
MOST_DEATHS = 5  # of workers in a row that held the same item
STUB = "SELECT NULL::bigint AS request_id"  # of items.sql, in the place of a job's query
EVER = {"begins_at": datetime(1, 1, 1, tzinfo=UTC), "ends_at": END_OF_TIME}
IN_WORDS = {"later": "for a later run", "forgotten": "not due any more"}

log = logging.getLogger("oms")


@dataclass(frozen=True)
class ItemJob:
    """What a job is, without Airflow.

    ``due`` selects ``request_id`` and what ``act`` needs. Params are bound to it by name (``%(days)s``). A query that
    compares with all history names ``%(begins_at)s`` and ``%(ends_at)s``: it is asked day by day, the newest day first.
    """

    name: str
    system: str
    due: str
    act: Act
    look_up: LookUp | None
    params: Mapping[str, Any] = field(default_factory=dict)

    def query(self, name: str) -> LiteralString:
        """The statement called ``name``, with the job's query in it."""
        return query(name).replace(STUB, self.due.strip().rstrip(";"))

    @property
    def is_by_day(self) -> bool:
        """Whether the query is asked day by day."""
        return "%(begins_at)s" in self.due


@dataclass(frozen=True)
class _Outcome:
    """What became of one item. ``said`` is what the outside system said, which only an audited look shows. ``doubt`` is
    `none`, `new` (since now) or `as before`."""

    request_id: int
    outcome: str  # done, refused, later, forgotten
    result: str | None = None
    why: str | None = None
    said: str | None = None
    doubt: str = "none"
    wait_seconds: float = 0.0


async def claim_items(connection: AsyncConnection[DictRow], job: ItemJob, dag_run_id: str, settings: Settings) -> Claim:
    """Claim the slices for one run. The same run always gets the same slices; none if the system is paused or out."""
    found = await database.rows(connection, "slices_of_run", job=job.name, dag_run_id=dag_run_id)
    if not found:
        health = await health_of(connection, job.system)
        if health.why_not:
            return Claim([], health.why_not)
        limit = settings.slice_size * settings.max_slices
        await _note_due(connection, job, limit * SLICES_NOTED)
        if health.on_probation:
            limit = min(limit, REQUESTS_ON_PROBATION)
        found = await _claim(connection, job, dag_run_id, settings, limit)
    return Claim(slice_refs(found))


async def work_items(
    connection: AsyncConnection[DictRow], slice_id: int, job: ItemJob, *,
    generation: int, map_index: int, door: Door, settings: Settings,
) -> SliceReport:  # fmt: skip
    """Act on the items of one slice. An outage stops it early. Raises psycopg.Error."""
    async with held_slice(
        connection, slice_id, queries=QUERIES, generation=generation, map_index=map_index, settings=settings
    ) as hold:
        door.until = monotonic() + LONGEST_WORK_SECONDS
        worker = _Worker(job, hold, door)
        for chunk in chunks(hold.held, settings.concurrency):
            await worker.work(chunk)
        await door.tell()
        hold.report.stopped_early = door.why_closed
    return hold.report


async def _note_due(connection: AsyncConnection[DictRow], job: ItemJob, limit: int) -> None:
    """Note what is due, ``limit`` at most."""

    async def note(begins_at: datetime, ends_at: datetime, most: int) -> int:
        values = {**job.params, "job": job.name, "begins_at": begins_at, "ends_at": ends_at, "limit": most}
        return (await connection.execute(job.query("note_due_items"), values)).rowcount

    if job.is_by_day:
        await note_by_day(connection, note, limit=limit)
    else:
        await note(**EVER, most=limit)


async def _claim(
    connection: AsyncConnection[DictRow], job: ItemJob, dag_run_id: str, settings: Settings, limit: int
) -> list[DictRow]:
    async with connection.transaction():
        locked = await database.rows(connection, "lock_due_items", job=job.name, limit=limit)
        due = [DueRequest(row["request_id"], "", "", row["worker_died"], row["deaths"]) for row in locked]
        slices = []
        for ordinal, part in enumerate(cut_requests(due, slice_size=settings.slice_size, limit=limit)):
            ids = [each.request_id for each in part]
            label = slice_label(len(ids), min(ids), max(ids))
            new = await cut_slice(
                connection, job.name, dag_run_id, settings, ordinal=ordinal, size=len(ids), label=label
            )
            await database.execute(
                connection, "claim_items", job=job.name, slice_id=new["slice_id"], lease_token=new["lease_token"],
                lease_seconds=settings.lease_seconds, request_ids=ids, worker_died=[each.worker_died for each in part],
            )  # fmt: skip
            slices.append(new)
        return slices


class _Worker:
    """Works the items of one slice, a chunk at a time."""

    def __init__(self, job: ItemJob, hold: Hold, door: Door) -> None:
        self._job, self._hold, self._door = job, hold, door
        self._space = Space(BYTES_AT_ONCE)

    async def work(self, held: Sequence[DictRow]) -> None:
        """Look up what is unsure, act on what is due, record both."""
        outcomes = list(await asyncio.gather(*(self._before(row) for row in held)))
        settled = [outcome for outcome in outcomes if outcome is not None]
        to_act = [row for row, outcome in zip(held, outcomes, strict=True) if outcome is None]
        due = await self._due([row["request_id"] for row in to_act])
        settled += [_Outcome(row["request_id"], "forgotten") for row in to_act if row["request_id"] not in due]
        intents = await self._hold.rows(
            "note_intents", request_ids=list(due), data=[Jsonb(data) for data in due.values()]
        )
        surely_held = {row["request_id"] for row in intents}
        settled += await asyncio.gather(
            *(self._act(row, due[row["request_id"]]) for row in to_act if row["request_id"] in surely_held)
        )
        await self._record(settled)

    async def _before(self, row: DictRow) -> _Outcome | None:
        """Settle an item that is not to be acted on now; None where it is."""
        request_id, unsure_for = row["request_id"], row["unsure_for_seconds"]
        if row["deaths"] >= MOST_DEATHS:
            why = f"{row['deaths']} workers in a row died while they held it"
            return _Outcome(request_id, "refused", why=why, doubt="as before")
        if unsure_for is None or self._job.look_up is None:
            return None
        settling = self._hold.settings.settling_seconds - unsure_for
        if settling > 0:
            return _Outcome(request_id, "later", doubt="as before", wait_seconds=settling)
        try:
            async with self._calling() as call:
                is_done = await self._job.look_up(self._item(row, row["data"] or {}), call)
        except Exception as error:  # noqa: BLE001 - each outcome is the item's own
            return self._outcome_of(error, row, doubt="as before")
        self._hold.report.count("looked up")
        return _Outcome(request_id, "done", result="found by the look-up") if is_done else None

    async def _act(self, row: DictRow, data: Mapping[str, Any]) -> _Outcome:
        try:
            async with self._calling() as call:
                result = await self._job.act(self._item(row, data), call)
        except Exception as error:  # noqa: BLE001 - each outcome is the item's own
            return self._outcome_of(error, row, doubt="none")
        return _Outcome(row["request_id"], "done", result=result)

    def _outcome_of(self, error: Exception, row: DictRow, *, doubt: str) -> _Outcome:
        """What an error means for its item. ``doubt`` is what there is where the call had no effect."""
        settings, request_id = self._hold.settings, row["request_id"]
        if isinstance(error, OutcomeUnknown):
            wait = max(settings.settling_seconds, error.retry_after or 0.0)
            return _Outcome(request_id, "later", why=str(error), doubt="new", wait_seconds=wait)
        if isinstance(error, (Unavailable, NotInTime, LeaseTooShort)):
            base, most = settings.backoff_base_seconds, settings.backoff_max_seconds
            wait = max(
                backoff_seconds(row["tries"] + 1, base=base, maximum=most), getattr(error, "retry_after", None) or 0.0
            )
            return _Outcome(request_id, "later", why=str(error), doubt=doubt, wait_seconds=wait)
        if isinstance(error, (Rejected, NotConfigured)):
            why = str(error) or type(error).__name__
            return _Outcome(request_id, "refused", why=why, said=error.said, doubt=doubt)
        what = (request_id, self._job.name, type(error).__name__, ", ".join(places_of(error)))
        log.error("request %s: the code of %s failed: %s at %s", *what)  # not its text: that may quote the item
        why = f"{type(error).__name__} in the code of {self._job.name}: the log has the place; correct it, then clear"
        return _Outcome(request_id, "refused", why=why, doubt="new" if doubt == "none" else doubt)

    @asynccontextmanager
    async def _calling(self) -> AsyncIterator[DoorCall]:
        """The calls of one item. At the end of the block, what they were answered is not needed any more."""
        call = DoorCall(self._door, self._hold.lease, self._hold.settings, self._space)
        try:
            yield call
        finally:
            await self._space.give_back(call.bytes_taken)

    def _item(self, row: DictRow, data: Mapping[str, Any]) -> Item:
        return Item(self._job.name, row["request_id"], data, self._job.params)

    async def _due(self, request_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The rows of the job's query, of these requests."""
        values = {**EVER, **self._job.params, "request_ids": list(request_ids)}
        async with self._hold.lock:
            cursor = self._hold.connection.cursor(row_factory=dict_row)
            await cursor.execute(self._job.query("read_due_items"), values)
            return {row["request_id"]: row["data"] for row in await cursor.fetchall()}

    async def _record(self, settled: Collection[_Outcome]) -> None:
        forgotten = [it.request_id for it in settled if it.outcome == "forgotten"]
        kept = [it for it in settled if it.outcome != "forgotten"]
        if forgotten:
            await self._hold.execute("forget_items", request_ids=forgotten)
        await self._hold.execute(
            "record_items",
            request_ids=[it.request_id for it in kept], outcomes=[it.outcome for it in kept],
            results=[it.result for it in kept], whys=[it.why for it in kept], saids=[it.said for it in kept],
            doubts=[it.doubt for it in kept], waits=[it.wait_seconds for it in kept],
        )  # fmt: skip
        for it in settled:
            self._hold.report.count(IN_WORDS.get(it.outcome, it.outcome))


class Space:
    """The memory for the answers that a worker's items hold at the same time: an item without room waits."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = self._free = most_bytes
        self._changed = asyncio.Condition()

    async def take(self, number: int) -> int:
        """Take so many bytes, or all there are if that is less; return how many."""
        wanted = min(number, self._most_bytes)
        async with self._changed:
            await self._changed.wait_for(lambda: self._free >= wanted)
            self._free -= wanted
        return wanted

    async def give_back(self, number: int) -> None:
        """Give back what was taken."""
        async with self._changed:
            self._free += number
            self._changed.notify_all()


class DoorCall:
    """A `Call`: through the door of the job's outside system, under the worker's lease.

    One item has one. It takes the space for its largest answer, and waits for more only while it holds none.
    """

    def __init__(self, door: Door, lease: Lease, settings: Settings, space: Space) -> None:
        self._door, self._lease, self._settings, self._space = door, lease, settings, space
        self.bytes_taken = 0

    async def __call__(
        self, method: str, path: str, *, json: Any = None, params: Mapping[str, str] | None = None,
        expect: Collection[int] = (), max_bytes: int | None = None, document_type: str | None = None,
    ) -> Answer:  # fmt: skip
        """See `Call`."""
        has_effect = method not in NO_EFFECT
        timeout = self._settings.submit_timeout_seconds if has_effect else self._settings.poll_timeout_seconds

        await self._take_space(max_bytes or MOST_ANSWER_BYTES)

        def lease_holds() -> None:
            if has_effect and not self._lease.holds_for(timeout):
                raise LeaseTooShort

        return await self._door.call(
            method, path, json=json, params=params, has_effect=has_effect, timeout_seconds=timeout,
            max_bytes=max_bytes or MOST_ANSWER_BYTES, document_type=document_type or EVERY_TYPE, before=lease_holds,
            read=lambda answer: _read(answer, expect, has_effect=has_effect),
        )  # fmt: skip

    async def _take_space(self, most_bytes: int) -> None:
        if most_bytes > self.bytes_taken:
            held, self.bytes_taken = self.bytes_taken, 0
            await self._space.give_back(held)
            self.bytes_taken = await self._space.take(most_bytes)


def _read(answer: Answer, expect: Collection[int], *, has_effect: bool) -> Answer:
    """The answer itself, or the error that it means."""
    if 200 <= answer.status < 300 or answer.status in expect:
        return answer
    why, said = f"answered {answer.status}", problem_text(answer.content)
    if answer.status in NEVER:
        raise Rejected(why, said=said)
    if has_effect and answer.status not in WITHOUT_EFFECT_NOW:
        raise OutcomeUnknown(why, retry_after=answer.retry_after, category=Category.INTERNAL_ERROR, said=said)
    raise unavailable(answer, said=said)
