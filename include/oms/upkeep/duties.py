"""Daily duties: what must be done once a day. A duty that was not done is late (see ``deadlines``)."""

from __future__ import annotations

from enum import StrEnum

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database


class Duty(StrEnum):
    """The daily duties of the house. A job of the kit may be one too, under its name, once it was done."""

    RECONCILIATION = "reconciliation"
    ERASE_CONTENT = "erase_content"
    PRUNE_EVENTS = "prune_events"
    PRUNE_SLICES = "prune_slices"
    PRUNE_REQUESTS = "prune_requests"


async def note_duty(connection: AsyncConnection[DictRow], duty: str) -> None:
    """Note that the duty was completed now."""
    await database.execute(connection, "note_duty", duty=duty)
