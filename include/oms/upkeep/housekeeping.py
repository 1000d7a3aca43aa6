"""What is not kept for ever: the content of requests that have ended, published events, slices nobody can clear.

In chunks, each committed by itself, so that nothing waits long and a run that is stopped has lost nothing. A request's
skeleton - who asked for what, when, how it ended - and its timeline stay.
"""

from __future__ import annotations

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings

CHUNK = 1000
AUDIT_TRAIL_DAYS = 3653  # as long as business records are kept


async def erase_content(connection: AsyncConnection[DictRow], settings: Settings, *, chunk: int = CHUNK) -> int:
    """Erase payload, metadata and XML of what ended long enough ago for its document type; how many requests."""
    erased = 0
    for row in await database.rows(connection, "document_types_with_content"):
        document_type = row["document_type"]
        days = retention_days(document_type, settings)
        while number := await _erased(connection, document_type, days, chunk):
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


async def _prune(connection: AsyncConnection[DictRow], name: str, days: int, limit: int) -> int:
    pruned, after_key = 0, 0
    while True:
        (row,) = await database.rows(connection, name, days=days, limit=limit, after_key=after_key)
        if row["last_key"] is None:
            return pruned
        pruned, after_key = pruned + row["number"], row["last_key"]
