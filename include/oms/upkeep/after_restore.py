"""After the OMS Database was restored from a back-up: learn from Thunderhead what has been submitted since.

A restored database knows nothing of it, and would submit it again: a second letter. Every such document has a name
that the back-up can tell (prefix, request, attempt), so all of them are looked up before anybody submits anything.
What the back-up cannot know are requests that were accepted after it; of those the documents are named here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.settings import Settings
from include.oms.outside.pace import Pace
from include.oms.outside.thunderhead import Batch, Thunderhead

IDS_LEFT_BEHIND = 100_000_000  # ten days of ten million requests each: more than can have been given out unseen
REQUESTS_A_LOOK = 1000
MISSES_BEFORE_THE_END = 500  # names in a row that Thunderhead does not know: no later request was submitted


@dataclass(frozen=True)
class Found:
    """A batch that was submitted after the back-up."""

    request_id: int
    attempt: int
    batch: Batch


@dataclass
class CaughtUp:
    """What came of it."""

    looked_up: int = 0  # names
    adopted: list[Found] = field(default_factory=list)  # of requests that the back-up has
    lost: list[Found] = field(default_factory=list)  # of requests that it has not: accepted after it

    def report(self) -> str:
        """For the person who restores; ids and names only."""
        lines = [
            f"{self.looked_up} names looked up at Thunderhead.",
            f"{len(self.adopted)} batches were submitted after the back-up and are adopted: none is made again.",
            f"{len(self.lost)} batches belong to requests that were accepted after the back-up and are lost:",
            *(f"  {it.batch.batch_name}, batch {it.batch.batch_id}, {it.batch.status}" for it in self.lost),
        ]
        return "\n".join(lines)


async def catch_up(connection: AsyncConnection[DictRow], thunderhead: Thunderhead, settings: Settings) -> CaughtUp:
    """Adopt what was submitted since the back-up; Thunderhead is left paused.

    For a system that is stopped: no worker from before the restore may live. Raises Unavailable where Thunderhead does
    not answer; run again, it goes on. Run twice, it does no harm.
    """
    await database.execute(connection, "pause_after_restore")
    thunderhead.door.heeds_pause = False  # it is this pause's reason
    (row,) = await database.rows(connection, "last_request_id")
    await database.rows(connection, "leave_ids_behind", gap=IDS_LEFT_BEHIND)
    await database.execute(connection, "doubt_all_intents")
    look = _Look(thunderhead, settings)
    done = CaughtUp()
    after = 0
    while known := await database.rows(connection, "requests_to_look_up", after=after, limit=REQUESTS_A_LOOK):
        after = known[-1]["request_id"]
        for part in chunks(known, settings.concurrency):
            found = await asyncio.gather(*(look.later_attempts(it["request_id"], it["attempts"]) for it in part))
            await _adopt(connection, [each for attempts in found for each in attempts])
            done.adopted += [each for attempts in found for each in attempts]
    done.lost = await look.lost(row["last_request_id"])
    done.looked_up = look.number
    return done


async def _adopt(connection: AsyncConnection[DictRow], found: Sequence[Found]) -> None:
    if not found:
        return
    async with connection.transaction():
        request_ids = [each.request_id for each in found]
        await database.execute(connection, "forget_open_batches", request_ids=request_ids)
        await database.execute(
            connection, "adopt_found_batches", request_ids=request_ids, attempts=[each.attempt for each in found],
            names=[each.batch.batch_name for each in found], batch_ids=[each.batch.batch_id for each in found],
        )  # fmt: skip


class _Look:
    """Look-ups by name, at the reconciliation's rate."""

    def __init__(self, thunderhead: Thunderhead, settings: Settings) -> None:
        self.number = 0
        self._thunderhead = thunderhead
        self._prefix = settings.batch_name_prefix
        self._pace = Pace(settings.reconciliation_calls_per_second)
        self._turn = asyncio.Lock()

    async def find(self, request_id: int, attempt: int) -> Found | None:
        async with self._turn:
            await self._pace.wait_for()
        self.number += 1
        batch = await self._thunderhead.find_by_name(f"{self._prefix}-{request_id}-{attempt}")
        return Found(request_id, attempt, batch) if batch else None

    async def later_attempts(self, request_id: int, known: int) -> list[Found]:
        """All attempts after those that the back-up knows."""
        found: list[Found] = []
        while each := await self.find(request_id, known + len(found) + 1):
            found.append(each)
        return found

    async def lost(self, last_request_id: int) -> list[Found]:
        """What was submitted for requests that came after the last one of the back-up."""
        found: list[Found] = []
        request_id, misses = last_request_id, 0
        while misses < MISSES_BEFORE_THE_END:
            request_id += 1
            attempts = await self.later_attempts(request_id, 0)
            misses = 0 if attempts else misses + 1
            found += attempts
        return found
