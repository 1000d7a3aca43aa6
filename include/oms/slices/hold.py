"""A worker's hold on its slice: opened, kept while it works, closed.

The first worker of a slice works what was claimed. A later one takes over what its predecessor held; one that comes
after an operator's clear drives the slice's ended requests again. Airflow's ``ti.max_tries`` (the generation) tells a
clear from a crash; the try number does not. See docs/decisions/0006-workers-stay-a-while.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.clock import awake_or_asleep
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.ending.final_status import red_ends_of_slice
from include.oms.ending.retrigger import retrigger_slice
from include.oms.slices.cutting import label_of_red_ends
from include.oms.slices.lease import Lease, renewed
from include.oms.slices.report import SliceReport
from include.oms.slices.slice_time import SliceTime

T = TypeVar("T")


@dataclass(frozen=True)
class HoldQueries:
    """Names of a job's queries for its held work; None if the job needs none of that kind.

    ``hold`` leases what is open to the worker; its rows are the ``held`` of its Hold. The two main jobs do without:
    their rows have the slice's token since the claim.
    """

    renew: str
    hold: str | None = None
    reclaim: str | None = None  # after a crash: what the former worker held
    take: str | None = None  # after a clear: what was retriggered


@dataclass(frozen=True)
class Hold:
    """What a worker needs for its slice: connection, lease, report, settings, and the rows of its query ``hold``.

    Call ``tell_ends`` after each commit that ended requests.
    """

    connection: AsyncConnection[DictRow]
    lease: Lease
    settings: Settings
    time: SliceTime
    report: SliceReport = field(default_factory=SliceReport)
    tell_ends: Callable[[], None] = lambda: None
    held: list[DictRow] = field(default_factory=list)
    lock: AbstractAsyncContextManager[Any] = field(default_factory=asyncio.Lock)  # the connection's users take turns

    async def rows(self, name: str, **values: Any) -> list[DictRow]:
        """Run the query called ``name`` for this slice, under this worker's token, and return all its rows."""
        async with self.lock:
            return await database.rows(self.connection, name, **self._fenced(values))

    async def objects(self, kind: type[T], name: str, **values: Any) -> list[T]:
        """Run the query called ``name`` in the same way; each row as a ``kind``."""
        async with self.lock:
            cursor = self.connection.cursor(row_factory=class_row(kind))
            await cursor.execute(query(name), self._fenced(values))
            return await cursor.fetchall()

    async def execute(self, name: str, **values: Any) -> int:
        """Run the query called ``name`` in the same way, for its effect; the number of rows it changed."""
        async with self.lock:
            return await database.execute(self.connection, name, **self._fenced(values))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Hold]:
        """One transaction, without statements of other tasks in it. Yields this hold, for use inside."""
        async with self.lock, self.connection.transaction():
            yield replace(self, lock=nullcontext())

    def _fenced(self, values: dict[str, Any]) -> dict[str, Any]:
        return {"slice_id": self.lease.slice_id, "lease_token": self.lease.token, **values}


@dataclass(frozen=True)
class OpenedSlice:
    """A slice that a worker has opened: for the first time, after a crash, or after a clear."""

    lease: Lease
    former_token: int
    reopened: bool
    cleared: bool


@asynccontextmanager
async def held_slice(
    connection: AsyncConnection[DictRow],
    slice_id: int,
    *,
    queries: HoldQueries,
    generation: int,
    map_index: int,
    settings: Settings,
    tell_ends: Callable[[], None] = lambda: None,
) -> AsyncIterator[Hold]:
    """Hold the slice while the block runs, then close it.

    ``generation`` is the task instance's ``max_tries``. A block that raises leaves the slice open: a later run takes
    over. Raises LookupError if there is no such slice, psycopg.Error if the database is out of reach.
    """
    opened = await open_slice(connection, slice_id, generation=generation, map_index=map_index)
    hold = Hold(
        connection, opened.lease, settings, SliceTime(settings, takes_more=not opened.reopened), tell_ends=tell_ends
    )
    await _take_over(hold, opened, queries)
    if queries.hold:  # before the first renewal: it renews what has this worker's token, and so far nothing has
        values = {"cleared": opened.cleared, "lease_seconds": settings.lease_seconds}
        hold.held.extend(await hold.rows(queries.hold, **values))
    async with renewed(
        hold.lease, connection, renewal=queries.renew, lease_seconds=settings.lease_seconds, lock=hold.lock
    ):
        yield hold
    await hold.execute("close_slice", label=hold.report.label)
    hold.report.red_ends = await red_ends_of_slice(connection, slice_id)
    if hold.report.red_ends:
        (row,) = await database.rows(connection, "size_of_slice", slice_id=slice_id)
        hold.report.red_label = label_of_red_ends(hold.report.red_ends, row["size"])


async def open_slice(
    connection: AsyncConnection[DictRow], slice_id: int, *, generation: int, map_index: int
) -> OpenedSlice:
    """Open the slice under a token that fences off earlier workers. Raises LookupError if there is no such slice."""
    asked_at = awake_or_asleep()
    found = await database.rows(connection, "open_slice", slice_id=slice_id, generation=generation, map_index=map_index)
    if not found:
        raise LookupError(f"there is no slice {slice_id}")
    (row,) = found
    lease = Lease(slice_id, row["lease_token"], asked_at + (0 if row["reopened"] else row["holds_for_seconds"]))
    return OpenedSlice(lease, row["former_token"], row["reopened"], row["cleared"])


async def _take_over(hold: Hold, opened: OpenedSlice, queries: HoldQueries) -> None:
    """After a crash: take what the former worker held. After a clear: drive again what ended red in this slice.

    The stage at which a request failed decides. document_processing makes a new attempt at once. A request that failed
    in generation goes back to document_processing. document_monitoring polls a request that failed in monitoring.
    """
    lease_seconds = hold.settings.lease_seconds
    if opened.reopened and queries.reclaim:
        await hold.execute(queries.reclaim, former_token=opened.former_token, lease_seconds=lease_seconds)
    if opened.cleared and queries.take:
        async with hold.transaction() as inside:
            slice_id = hold.lease.slice_id
            cleared_by = await database.rows(hold.connection, "who_cleared", slice_id=slice_id)
            actor = f"{cleared_by[0]['actor']}, by clearing" if cleared_by else "airflow:clear"
            again = await retrigger_slice(hold.connection, slice_id, actor=actor)
            await inside.execute(queries.take, request_ids=again, lease_seconds=lease_seconds)
        hold.report.count("retriggered", len(again))
