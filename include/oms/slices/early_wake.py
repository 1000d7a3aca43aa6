"""When a job has work: now, in a while, or when somebody brings some.

A watcher lies down, looks, and waits for the first of three: the next thing falling due, the end of its interval, a
NOTIFY. It lies down before it looks, so work that comes in between is either seen or told. While a worker of its job
is at work, who takes what comes, nobody needs to tell the watcher but that worker, when it is through.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.words.model import Job

DUE_IN = {Job.PROCESSING: "document_processing_due_in", Job.MONITORING: "document_monitoring_due_in"}
LEAST_GAP_SECONDS = 1.0  # between two runs of a job: what comes in meanwhile is claimed together


async def work_is_due(
    connection: AsyncConnection[DictRow], job: Job, *, interval_seconds: float, max_slices: int
) -> AsyncIterator[None]:
    """Yields whenever ``job`` has something to do; only once an interval for what stays due all along.

    Raises psycopg.Error where the database goes away.
    """
    await connection.execute("LISTEN oms_work")
    fired_at, told = -inf, False
    while True:
        await database.execute(connection, "lie_down", job=job)
        due_in, is_at_work = await _due_in(connection, job, max_slices)
        since_fired = monotonic() - fired_at
        if due_in > 0:
            if is_at_work:
                await database.execute(connection, "get_up", job=job)
            told = await _is_told(connection, job, min(due_in, interval_seconds))
        elif since_fired < interval_seconds and -due_in > since_fired and not told:  # it was due then already
            told = await _is_told(connection, job, interval_seconds - since_fired)
        else:
            await database.execute(connection, "get_up", job=job)
            fired_at, told = monotonic(), False
            yield
            await asyncio.sleep(LEAST_GAP_SECONDS)


async def _due_in(connection: AsyncConnection[DictRow], job: Job, max_slices: int) -> tuple[float, bool]:
    """Seconds from now, negative where it has been due for a while, infinity where nothing is in sight; and whether a
    worker of the job is at work."""
    (row,) = await database.rows(connection, DUE_IN[job], max_slices=max_slices)
    return inf if row["due_in"] is None else float(row["due_in"]), row["at_work"]


async def _is_told(connection: AsyncConnection[DictRow], job: Job, most_seconds: float) -> bool:
    """Wait until this job's watcher is told that work has come, ``most_seconds`` at most."""
    async for notification in connection.notifies(timeout=most_seconds):
        if notification.payload == job:
            return True
    return False
