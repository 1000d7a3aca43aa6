"""Compare our batches with Thunderhead's: each is known there with the same status, none is an orphan or a double.

Thunderhead answers look-ups by ids, 100 a call, and by name, one a call. It has no list of all its batches. So every
batch of a window is compared by its id. Names are looked up for all batches without an id, and for
``NAMES_A_DAY`` in all: every other one on a small day, a sample on a large one.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.outside.pace import Pace
from include.oms.outside.thunderhead import MOST_IDS_A_CALL, Batch, Thunderhead
from include.oms.upkeep.discrepancies import Discrepancies, Discrepancy, Kind
from include.oms.upkeep.window import Window
from include.oms.words.errors import Unavailable
from include.oms.words.model import BatchStatus

T = TypeVar("T")

STATUSES = ("PROCESSING", "STOPPED", "FAILED", "COMPLETED")  # contract: BatchStatus

TRIES = 4  # tries of one look-up; if all fail, the comparison ends
LONGEST_WAIT_SECONDS = 30.0
NAMES_A_DAY = 2000  # batch names that are looked up for doubles; a sample if the day has more


@dataclass(frozen=True)
class OurBatch:
    """A batch in the OMS Database."""

    batch_key: int
    request_id: int
    batch_name: str
    status: str
    thunderhead_batch_id: int | None
    dms_document_id: int | None


class Comparison:
    """One comparison of the batches of a window. It repeats failed look-ups, which is safe, and keeps to its rate."""

    def __init__(
        self,
        connection: AsyncConnection[DictRow],
        thunderhead: Thunderhead,
        settings: Settings,
        *,
        wait_seconds: float = 2.0,  # before a failed look-up is repeated, unless Thunderhead names a time
    ) -> None:
        self._connection = connection
        self._thunderhead = thunderhead
        self._names_left = NAMES_A_DAY
        self._pace = Pace(settings.reconciliation_calls_per_second)
        self._wait_seconds = wait_seconds
        self.counts: Counter[str] = Counter()
        self.found = Discrepancies()

    async def compare(self, window: Window) -> None:
        """Compare all batches of the window. Raises Unavailable if Thunderhead does not answer."""
        pieces: list[tuple[Window, DictRow]] = []

        async def take_bounds(piece: Window) -> None:
            (bounds,) = await database.rows(self._connection, "batches_of_window", **piece.values())
            pieces.append((piece, bounds))

        await window.each_piece(take_bounds)
        total = sum(bounds["number"] for _, bounds in pieces)
        without_id = sum(bounds["without_id"] for _, bounds in pieces)
        self.counts["batches"] = total
        share = max(self._names_left - without_id, 0) / max(total - without_id, 1)
        dice = random.Random(str(window))  # noqa: S311 - the same window gives the same sample
        for piece, bounds in pieces:
            after_key = bounds["first_key"] - 1
            while page := await self._page(piece, after_key, bounds["last_key"]):
                await self._compare_page(page, lambda: dice.random() < share)
                after_key = page[-1].batch_key

    async def _page(self, piece: Window, after_key: int, last_key: int) -> list[OurBatch]:
        cursor = self._connection.cursor(row_factory=class_row(OurBatch))
        values = {"after_key": after_key, "last_key": last_key, "limit": 1000}
        await cursor.execute(query("batches_to_compare"), values | piece.values())
        return await cursor.fetchall()

    async def _compare_page(self, page: Sequence[OurBatch], in_sample: Callable[[], bool]) -> None:
        submitted = [batch for batch in page if batch.thunderhead_batch_id is not None]
        for chunk in chunks(submitted, MOST_IDS_A_CALL):
            self.found.add(await self._by_ids(chunk))
            self.counts["batches_compared"] += len(chunk)
        for batch in page:
            sampled = in_sample()
            if self._names_left > 0 and (sampled or batch.thunderhead_batch_id is None):
                self._names_left -= 1
                self.counts["names_looked_up"] += 1
                self.found.add(await self._by_name(batch))

    async def _by_ids(self, batches: Sequence[OurBatch]) -> list[Discrepancy]:
        """The batches that differ at Thunderhead. It is asked twice: a single wrong answer proves nothing."""
        for _ in range(2):
            ids = [batch.thunderhead_batch_id for batch in batches if batch.thunderhead_batch_id is not None]
            theirs = await self._patiently(self._thunderhead.find_by_ids, ids) if ids else {}
            wrong = [(batch, difference(batch, theirs.get(batch.thunderhead_batch_id or 0))) for batch in batches]
            batches = [batch for batch, it in wrong if it]
        return [it for _, it in wrong if it]

    async def _by_name(self, batch: OurBatch) -> list[Discrepancy]:
        """The other batches that Thunderhead has under this batch's name."""
        theirs = await self._patiently(self._thunderhead.find_all_by_name, batch.batch_name)
        others = [it for it in theirs if it.batch_id != batch.thunderhead_batch_id]
        kind = Kind.ORPHAN if batch.thunderhead_batch_id is None and len(others) == 1 else Kind.DOUBLE
        return [
            Discrepancy(kind, batch.request_id, batch.batch_name, f"there: {it.batch_id}, {_known(it.status)}")
            for it in others
        ]

    async def _patiently(self, look_up: Callable[..., Awaitable[T]], what: object) -> T:
        for tries_left in reversed(range(TRIES)):
            await self._pace.wait_for()
            try:
                return await look_up(what)
            except Unavailable as error:
                if not tries_left:
                    raise
                await asyncio.sleep(min(error.retry_after or self._wait_seconds, LONGEST_WAIT_SECONDS))
        raise AssertionError("unreachable")


def difference(ours: OurBatch, theirs: Batch | None) -> Discrepancy | None:
    """The discrepancy, or None. A batch that is open in OMS may already have ended at Thunderhead."""

    def wrong(kind: Kind, detail: str) -> Discrepancy:
        return Discrepancy(kind, ours.request_id, ours.batch_name, detail)

    if theirs is None:
        return wrong(Kind.UNKNOWN_THERE, f"its id is {ours.thunderhead_batch_id}")
    if theirs.batch_name != ours.batch_name:
        return wrong(Kind.DIFFERS, f"{theirs.batch_id} has another name there")
    if ours.status == BatchStatus.PROCESSING_THUNDERHEAD:
        return None
    if theirs.status != ours.status:
        return wrong(Kind.DIFFERS, f"{ours.status} here, {_known(theirs.status)} there")
    if theirs.dms_document_id != ours.dms_document_id:
        return wrong(Kind.DIFFERS, f"its document is {ours.dms_document_id} here, {theirs.dms_document_id} there")
    return None


def _known(status: str) -> str:
    """A status of the contract. Any other text of Thunderhead's is not repeated: everybody may read the report."""
    return status if status in STATUSES else "another status"
