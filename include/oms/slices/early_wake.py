"""Early wake: find out when work of a job is due, without polling at a high rate.

A watcher asks to be notified, then looks for due work, then waits for the first of three: the next due time, the end of
its interval, a NOTIFY. It asks before it looks, so no work is missed in between. While a worker of its job is at work,
that worker takes what comes in, so the watcher waits for that worker's NOTIFY alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.slices.timing import KEEP_UP_SECONDS, LEAST_GAP_SECONDS, RECENTLY_DUE_SECONDS
from include.oms.words.model import Job

DUE_IN = {Job.PROCESSING: "document_processing_due_in", Job.MONITORING: "document_monitoring_due_in"}


async def wake_jobs(connection: AsyncConnection[DictRow]) -> None:
    """Notify the watchers of both jobs that work has come."""
    for job in Job:
        await database.rows(connection, "wake", job=job)


async def work_is_due(
    connection: AsyncConnection[DictRow], job: Job, *, interval_seconds: float, max_slices: int
) -> AsyncIterator[None]:
    """Yield whenever work of ``job`` is due; for work that stays due, once in ``interval_seconds``.

    Raises psycopg.Error where the database connection is lost.
    """
    await connection.execute("LISTEN oms_work")
    fired_at, notified = -inf, False
    while True:
        await database.execute(connection, "watcher_waits", job=job)
        due_in, is_at_work = await work_due_in(connection, job, max_slices)
        since_fired = monotonic() - fired_at
        if due_in > 0:
            if is_at_work:
                await database.execute(connection, "watcher_is_awake", job=job)
            notified = await _is_notified(connection, job, min(due_in, interval_seconds))
        elif since_fired < interval_seconds and -due_in > since_fired and not notified:  # due at the last run already
            notified = await _is_notified(connection, job, interval_seconds - since_fired)
        else:
            await database.execute(connection, "watcher_is_awake", job=job)
            fired_at, notified = monotonic(), False
            yield
            await asyncio.sleep(LEAST_GAP_SECONDS)


async def work_due_in(connection: AsyncConnection[DictRow], job: Job, max_slices: int) -> tuple[float, bool]:
    """Seconds until work is due (negative: due since then; infinity: none known), and whether a worker is at work."""
    (row,) = await database.rows(
        connection,
        DUE_IN[job],
        max_slices=max_slices,
        keep_up_seconds=KEEP_UP_SECONDS,
        recently_due_seconds=RECENTLY_DUE_SECONDS,
    )
    return inf if row["due_in"] is None else float(row["due_in"]), row["at_work"]


async def _is_notified(connection: AsyncConnection[DictRow], job: Job, most_seconds: float) -> bool:
    """Wait for a NOTIFY for this job, ``most_seconds`` at most; return whether one came."""
    async for notification in connection.notifies(timeout=most_seconds):
        if notification.payload == job:
            return True
    return False
