"""Note what is due by comparing with all history: day by day, so that each statement is bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database

COMPARE_SECONDS = 30.0  # the claim's task may take two minutes
SLICES_NOTED = 20  # what is noted in a run, in multiples of what a run claims: quick to catch up, and bounded
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

Note = Callable[[datetime, datetime, int], Awaitable[int]]
"""Note what ended in a period (its begin, inclusive, and its end), so many at most; return their number."""


async def note_by_day(connection: AsyncConnection[DictRow], note: Note, *, limit: int) -> None:
    """Call ``note`` for each day (UTC), the newest first, until ``limit`` are noted, for ``COMPARE_SECONDS`` at most.

    It does not continue where an earlier run stopped. So it also finds ends that were committed late, or with a wrong
    clock.
    """
    (first,) = await database.rows(connection, "first_end_at")
    if first["at"] is None:
        return
    give_up_at, noted = monotonic() + COMPARE_SECONDS, 0
    begins_at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ends_at = END_OF_TIME  # another machine's clock may be ahead
    while noted < limit and ends_at > first["at"] and monotonic() < give_up_at:
        noted += await note(begins_at, ends_at, limit - noted)
        begins_at, ends_at = begins_at - timedelta(days=1), begins_at
