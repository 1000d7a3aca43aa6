"""End requests: status, error, timeline and final event, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.queries import query
from include.oms.words.model import Stage, Status


@dataclass(frozen=True)
class End:
    """The end of one request and, for a red end, its reason and its document, where they are known."""

    request_id: int
    status: Status
    stage: Stage
    category: str | None = None
    description: str | None = None
    document_name: str | None = None


async def bring_to_end(
    connection: AsyncConnection[DictRow],
    ends: Sequence[End],
    *,
    from_status: Status,
    lease_token: int | None,
    slice_id: int | None,
    actor: str,
) -> list[End]:
    """End the requests that still stand in ``from_status`` under ``lease_token``; those that did are returned.

    Requests that another worker has moved on are left alone.
    """
    ended = await database.rows(
        connection,
        "end_requests",
        request_ids=[end.request_id for end in ends],
        from_status=from_status,
        lease_token=lease_token,
        statuses=[end.status for end in ends],
        stages=[end.stage for end in ends],
        categories=[end.category for end in ends],
        descriptions=[end.description for end in ends],
        slice_id=slice_id,
        actor=actor,
    )
    moved = {row["request_id"] for row in ended}
    return [end for end in ends if end.request_id in moved]


async def red_ends_of_slice(connection: AsyncConnection[DictRow], slice_id: int) -> list[End]:
    """The requests that make the slice red: they ended in this slice, and nothing has moved them since."""
    cursor = connection.cursor(row_factory=class_row(End))
    await cursor.execute(query("red_ends_of_slice"), {"slice_id": slice_id})
    return await cursor.fetchall()
