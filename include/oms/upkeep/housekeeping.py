"""Delete what is past its retention: content of ended requests, published events, slices that nobody can clear.

The work is done in chunks, each in its own transaction. So other sessions never wait long, and a stopped run loses
nothing. A chunk that exceeds the statement time-out is halved. After the erasure of its content, a request's row (who
asked for what, when, how it ended) and its timeline stay as long as a correlation id is remembered.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings

CHUNK = 1000
BULK_OPERATION_DAYS = 400  # an operation and its answers; the audit trail has it for longer
UNDECIDED_DAYS = 30  # after which a bulk operation that waits for approval, or is paused, ends by itself
AUDIT_TRAIL_DAYS = 3653  # ten years, the retention of business records

log = logging.getLogger("oms")
T = TypeVar("T")


class Chunks:
    """The number of rows in one statement; it is halved after each statement that takes too long."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def run(self, step: Callable[[int], Awaitable[T]]) -> T:
        """Run ``step`` with the size of its chunk. Raises psycopg.errors.QueryCanceled if even one row is too slow.

        ``step`` must be one statement: if it is cancelled, it has changed nothing.
        """
        while True:
            try:
                return await step(self.size)
            except QueryCanceled:
                if self.size == 1:
                    raise
                self.size //= 2
                log.warning("a chunk takes longer than OMS_STATEMENT_TIMEOUT_SECONDS: %d rows from here on", self.size)


async def erase_content(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Erase the content of requests that are past the retention of their document type. Return their number.

    Content is payload, metadata, XML and every free text from outside: the origin user, the descriptions of errors,
    what the kit's jobs keep. Requests that an earlier release erased without those texts are erased again, once.
    """
    erased, chunks = 0, Chunks(chunk)
    await _to_the_end(connection, chunks, "reopen_erasures")
    for row in await database.rows(connection, "document_types_with_content"):
        document_type = row["document_type"]
        days = retention_days(document_type, settings)
        erased += await _to_the_end(connection, chunks, "erase_content", document_type=document_type, days=days)
    return erased


def retention_days(document_type: str, settings: Settings) -> int:
    """Days after a request's end for which content of this document type is kept."""
    return settings.retention_days_by_document_type.get(document_type, settings.retention_days)


async def prune_requests(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Delete requests that ended long ago and were erased, then their runs. Return the number of requests.

    After that, a client may use the same correlation id for a new request.
    """
    pruned = await _to_the_end(connection, Chunks(chunk), "prune_requests", days=settings.replay_days)
    await _to_the_end(connection, Chunks(chunk), "prune_runs", days=settings.replay_days)
    return pruned


async def prune_events(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Delete old published events. Return their number. Events that wait or are set aside stay, at any age."""
    return await _prune(connection, "prune_events", settings.event_retention_days, chunk)


async def prune_operator_actions(
    connection: AsyncConnection[DictRow], _settings: Settings, *, chunk: int = CHUNK
) -> int:
    """Delete actions of operators after ten years. Return their number. The database protects the last year."""
    return await _prune(connection, "prune_operator_actions", AUDIT_TRAIL_DAYS, chunk)


async def prune_bulk_operations(
    connection: AsyncConnection[DictRow], _settings: Settings, *, chunk: int = CHUNK
) -> int:
    """End bulk operations that nobody decides on, and delete old ones with their answers. Return the number deleted."""
    await database.execute(connection, "end_undecided_operations", days=UNDECIDED_DAYS)
    pruned, chunks = 0, Chunks(chunk)

    async def prune(limit: int) -> DictRow:
        (row,) = await database.rows(connection, "prune_bulk_operations", days=BULK_OPERATION_DAYS, limit=limit)
        return row

    while (row := await chunks.run(prune))["number"] or row["answers"]:
        pruned += row["number"]
    return pruned


async def prune_slices(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Delete slices whose task instance Airflow has deleted, so nobody can clear them. Return their number."""
    return await _prune(connection, "prune_slices", settings.airflow_history_days + 1, chunk)


async def _to_the_end(connection: AsyncConnection[DictRow], chunks: Chunks, name: str, **values: Any) -> int:
    """Run the query, a chunk at a time, until it finds nothing more. Return the sum of its numbers."""
    total = 0

    async def step(limit: int) -> int:
        (row,) = await database.rows(connection, name, limit=limit, **values)
        return int(row["number"])

    while number := await chunks.run(step):
        total += number
    return total


async def _prune(connection: AsyncConnection[DictRow], name: str, days: int, chunk: int) -> int:
    pruned, after_key, chunks = 0, 0, Chunks(chunk)

    async def prune(limit: int) -> DictRow:
        (row,) = await database.rows(connection, name, days=days, limit=limit, after_key=after_key)
        return row

    while True:
        row = await chunks.run(prune)
        if row["last_key"] is None:
            return pruned
        pruned, after_key = pruned + row["number"], row["last_key"]
