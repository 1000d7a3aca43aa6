"""What is not kept for ever: the content of requests that have ended, published events, slices nobody can clear.

In chunks, each committed by itself, so that nothing waits long and a run that is stopped has lost nothing. A chunk that
takes longer than a statement may is halved. A request's skeleton - who asked for what, when, how it ended - and its
timeline stay.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from psycopg import AsyncConnection
from psycopg.errors import QueryCanceled
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings

CHUNK = 1000
AUDIT_TRAIL_DAYS = 3653  # as long as business records are kept

log = logging.getLogger("oms")
T = TypeVar("T")


class Chunks:
    """How much is done in one statement: half as much after each that takes too long."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def run(self, step: Callable[[int], Awaitable[T]]) -> T:
        """Run ``step`` with the size of its chunk. Raises psycopg.errors.QueryCanceled where even one row is too slow.

        ``step`` is one statement: cancelled, it has changed nothing.
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
    """Erase the content of what ended long enough ago for its document type; how many requests.

    Content is payload, metadata, XML and every free text from outside: the origin user, the descriptions of errors.
    """
    erased, chunks = 0, Chunks(chunk)
    for row in await database.rows(connection, "document_types_with_content"):
        document_type = row["document_type"]
        erase = partial(_erased, connection, document_type, retention_days(document_type, settings))
        while number := await chunks.run(erase):
            erased += number
    return erased


def retention_days(document_type: str, settings: Settings) -> int:
    """How long the content of a document of this type is kept after its request's end."""
    return settings.retention_days_by_document_type.get(document_type, settings.retention_days)


async def _erased(connection: AsyncConnection[DictRow], document_type: str, days: int, limit: int) -> int:
    (row,) = await database.rows(connection, "erase_content", document_type=document_type, days=days, limit=limit)
    return int(row["number"])


async def prune_events(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Forget events published long ago; how many. What waits or was set aside stays, however old."""
    return await _prune(connection, "prune_events", settings.event_retention_days, chunk)


async def prune_operator_actions(
    connection: AsyncConnection[DictRow], _settings: Settings, *, chunk: int = CHUNK
) -> int:
    """Forget what operators did ten years ago; how many actions. The database refuses what is younger than a year."""
    return await _prune(connection, "prune_operator_actions", AUDIT_TRAIL_DAYS, chunk)


async def prune_slices(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Forget slices that Airflow has no task instance of any more, so that nobody can clear them; how many."""
    return await _prune(connection, "prune_slices", settings.airflow_history_days + 1, chunk)


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
