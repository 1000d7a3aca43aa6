"""Note what is due by comparing with all history: period by period, so that each statement is bounded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from time import monotonic

from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from include.oms.base import database

COMPARE_SECONDS = 30.0  # the claim's task may take two minutes
SLICES_NOTED = 20  # what is noted in a run, in multiples of what a run claims: quick to catch up, and bounded
FIRST_PERIOD, LONGEST_PERIOD, SHORTEST_PERIOD = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
QUICK_SECONDS = 1.0
END_OF_TIME = datetime.max.replace(tzinfo=UTC)

Note = Callable[[datetime, datetime, int], Awaitable[int]]
"""Note what ended in a period (its begin, inclusive, and its end), so many at most; return their number."""


async def note_by_day(connection: AsyncConnection[DictRow], note: Note, *, limit: int) -> None:
    """Call ``note`` for each period, the newest first, until ``limit`` are noted, for ``COMPARE_SECONDS`` at most.

    The first period is an hour. A quick one is followed by one that is twice as long, up to a day. One that exceeds the
    statement time-out is tried again with half its length. It does not continue where an earlier run stopped. So it
    also finds ends that were committed late, or with a wrong clock. Raises psycopg.errors.QueryCanceled if even a
    second takes too long.
    """
    (first,) = await database.rows(connection, "first_end_at")
    if first["at"] is None:
        return
    give_up_at, noted, length = monotonic() + COMPARE_SECONDS, 0, FIRST_PERIOD
    now = datetime.now(UTC)
    ends_at = END_OF_TIME  # another machine's clock may be ahead
    while noted < limit and ends_at > first["at"] and monotonic() < give_up_at:
        begins_at, began_at = min(ends_at, now) - length, monotonic()
        try:
            noted += await note(begins_at, ends_at, limit - noted)
        except QueryCanceled:
            if length <= SHORTEST_PERIOD:
                raise
            length /= 2
            continue
        ends_at = begins_at
        if monotonic() - began_at < QUICK_SECONDS:
            length = min(2 * length, LONGEST_PERIOD)
