"""The retrigger: drive ended requests again, by the stage they ended at.

Enrichment, submission and generation failures get a new attempt, with a new Thunderhead batch; monitoring
failures a new poll. A request that is not at a red end is not touched, so a second retrigger does no harm. A withdrawn
request (CANCELLED) stays withdrawn, whether the retrigger is a clear, the console or document_retrigger.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.words.state_machine import RETRIGGERS


async def retrigger_requests(
    connection: AsyncConnection[DictRow],
    request_ids: Sequence[int],
    *,
    actor: str,
    slice_id: int | None = None,
    why: str | None = None,
) -> list[int]:
    """Drive the requests again that stand at a red end and were not withdrawn; return their ids.

    ``actor`` and ``why`` stand in the timeline.
    """
    again = await database.rows(
        connection,
        "retrigger_requests",
        request_ids=list(request_ids),
        ended_stages=list(RETRIGGERS),
        statuses=[move.status for move in RETRIGGERS.values()],
        stages=[move.stage for move in RETRIGGERS.values()],
        actor=actor,
        slice_id=slice_id,
        why=why,
    )
    return [row["request_id"] for row in again]


async def retrigger_slice(connection: AsyncConnection[DictRow], slice_id: int, *, actor: str) -> list[int]:
    """Drive the requests again that this slice brought to a red end, and that nothing has moved since."""
    ended = await database.rows(connection, "ended_by_slice", slice_id=slice_id)
    return await retrigger_requests(connection, [row["request_id"] for row in ended], actor=actor, slice_id=slice_id)
