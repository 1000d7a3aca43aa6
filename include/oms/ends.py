"""Bringing requests to their end: status, error, timeline and final event, in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms import database
from include.oms.model import RED_ENDS, Stage, Status


@dataclass(frozen=True)
class End:
    """Where a request ends and, for a red end, why."""

    request_id: int
    status: Status
    stage: Stage
    category: str | None = None
    description: str | None = None

    @property
    def is_red(self) -> bool:
        """Whether a person is needed."""
        return self.status in RED_ENDS


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

    The others have moved on under somebody else's hand and are left alone.
    """
    n = len(ends)
    ended = await database.rows(
        connection,
        "end_requests",
        request_ids=[end.request_id for end in ends],
        from_statuses=[from_status] * n,
        lease_tokens=[lease_token] * n,
        statuses=[end.status for end in ends],
        stages=[end.stage for end in ends],
        categories=[end.category for end in ends],
        descriptions=[end.description for end in ends],
        slice_id=slice_id,
        actor=actor,
    )
    moved = {row["request_id"] for row in ended}
    return [end for end in ends if end.request_id in moved]
