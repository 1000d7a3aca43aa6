"""After a restore of the OMS Database: look up at Thunderhead what has been submitted since the back-up.

A restored database does not know of these submits. The jobs would repeat them, and customers would get a second letter.
The name of each such batch follows from the back-up (prefix, request, attempt). So all names are looked up before the
jobs submit anything. Requests that were accepted after the back-up are not in it; the report names their batches.
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

IDS_LEFT_BEHIND = 100_000_000  # ten days of ten million requests: more ids than were given out since the back-up
REQUESTS_A_LOOK = 1000
MISSES_BEFORE_THE_END = 500  # requests in a row without a batch at Thunderhead: assume that no later one has any


@dataclass(frozen=True)
class Found:
    """A batch that was submitted after the back-up."""

    request_id: int
    attempt: int
    batch: Batch


@dataclass
class CaughtUp:
    """The result of a catch-up."""

    looked_up: int = 0  # names looked up
    adopted: list[Found] = field(default_factory=list)  # batches of requests that the back-up has
    lost: list[Found] = field(default_factory=list)  # batches of requests that were accepted after the back-up

    def report(self) -> str:
        """The report for the person who restores; it holds ids and names only."""
        lines = [
            f"{self.looked_up} names looked up at Thunderhead.",
            f"{len(self.adopted)} batches were submitted after the back-up and are adopted: none is submitted again.",
            f"{len(self.lost)} batches belong to requests that were accepted after the back-up and are lost:",
            *(f"  {it.batch.batch_name}, batch {it.batch.batch_id}, {it.batch.status}" for it in self.lost),
        ]
        return "\n".join(lines)


async def catch_up(connection: AsyncConnection[DictRow], thunderhead: Thunderhead, settings: Settings) -> CaughtUp:
    """Adopt the batches that were submitted since the back-up. Thunderhead stays paused.

    The system must be stopped: no worker from before the restore may still run. Raises Unavailable if Thunderhead does
    not answer; a second run then does the rest. A repeated run does no harm.
    """
    await database.execute(connection, "pause_after_restore")
    thunderhead.door.heeds_pause = False  # the system is paused for this catch-up, which still has to call it
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
    """Look-ups by name, at the rate of the reconciliation."""

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
        """The batches of all attempts after the ``known`` ones of the back-up."""
        found: list[Found] = []
        while each := await self.find(request_id, known + len(found) + 1):
            found.append(each)
        return found

    async def lost(self, last_request_id: int) -> list[Found]:
        """The batches of requests that were accepted after the last one of the back-up."""
        found: list[Found] = []
        request_id, misses = last_request_id, 0
        while misses < MISSES_BEFORE_THE_END:
            request_id += 1
            attempts = await self.later_attempts(request_id, 0)
            misses = 0 if attempts else misses + 1
            found += attempts
        return found
