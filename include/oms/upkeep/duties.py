"""Daily duties: what must happen once a day. One that does not is late (``deadlines``)."""

from __future__ import annotations

from enum import StrEnum

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database


class Duty(StrEnum):
    """What must be done once a day. The archive counts from the first time that it was done."""

    RECONCILIATION = "reconciliation"
    ERASE_CONTENT = "erase_content"
    PRUNE_EVENTS = "prune_events"
    PRUNE_SLICES = "prune_slices"
    ARCHIVE = "document_archive"


async def note_duty(connection: AsyncConnection[DictRow], duty: Duty) -> None:
    """Keep that the duty has been done in full, now."""
    await database.execute(connection, "note_duty", duty=duty)
