"""When a job has work: now, in a while, or when somebody brings some.

A watcher lies down, looks, and waits for the first of three: the next thing falling due, the end of its interval, a
NOTIFY. It lies down before it looks, so work that comes in between is either seen or told.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms import database
from include.oms.model import Job

LEAST_GAP_SECONDS = 0.5  # between two runs of a job: what comes in meanwhile is claimed together


async def work_is_due(
    connection: AsyncConnection[DictRow], job: Job, *, interval_seconds: float
) -> AsyncIterator[None]:
    """Yields whenever ``job`` has something to do; at most once an interval for work that stays due.

    Raises psycopg.Error where the database goes away.
    """
    await connection.execute("LISTEN oms_work")
    while True:
        await database.execute(connection, "lie_down", job=job)
        due_in = await _due_in(connection, job)
        if due_in > 0:
            await _told(connection, job, min(due_in, interval_seconds))
            continue
        await database.execute(connection, "get_up", job=job)
        yield
        await asyncio.sleep(LEAST_GAP_SECONDS)


async def _due_in(connection: AsyncConnection[DictRow], job: Job) -> float:
    (row,) = await database.rows(connection, f"{job}_due_in")
    if row.get("events_wait"):
        return 0.0
    return float("inf") if row["due_in"] is None else float(row["due_in"])


async def _told(connection: AsyncConnection[DictRow], job: Job, most_seconds: float) -> None:
    """Wait until this job's watcher is told, ``most_seconds`` at most."""
    async for notification in connection.notifies(timeout=most_seconds):
        if notification.payload == job:
            return
