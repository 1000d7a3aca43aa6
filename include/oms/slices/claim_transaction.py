"""A claim's transaction: lock due work, cut it into slices, lease each slice's share.

The statements are in claims.sql.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.queries import query
from include.oms.base.settings import Settings
from include.oms.slices.cutting import ALL, DueRequest, cut_requests, label_of_batches, label_of_requests, with_room
from include.oms.slices.lease import Lease
from include.oms.slices.timing import AHEAD_SECONDS
from include.oms.words.model import Job

CLAIM = {Job.PROCESSING: "claim_requests", Job.MONITORING: "claim_batches"}


@dataclass(frozen=True)
class Share:
    """The part of a claim that one slice gets: label, size, and the values of the statement that leases it."""

    label: str
    size: int
    values: Mapping[str, Any]


async def claim_into_new_slices(
    connection: AsyncConnection[DictRow], job: Job, dag_run_id: str, settings: Settings, *, limit: int, seconds: float
) -> list[DictRow]:
    """Claim at most ``limit`` due requests or batches into new slices of a run; return the rows of these slices.

    A worker may hold them for ``seconds``: of a document type with a rate of its own, no more than go in that time.
    """
    async with connection.transaction():
        shares = await _shares(connection, job, settings, limit=limit, seconds=seconds, abandoned=True)
        slices = [
            await cut_slice(connection, job, dag_run_id, settings, ordinal=ordinal, size=share.size, label=share.label)
            for ordinal, share in enumerate(shares)
        ]
        for new, share in zip(slices, shares, strict=True):
            await _claim(connection, job, new, share, settings)
        return slices


async def claim_into_slice(
    connection: AsyncConnection[DictRow], job: Job, lease: Lease, settings: Settings, *, limit: int, seconds: float
) -> bool:
    """Claim due work into the slice that ``lease`` holds; return whether there was any. A lost lease claims nothing."""
    async with connection.transaction():
        for share in await _shares(connection, job, settings, limit=limit, seconds=seconds, abandoned=False):
            grown = await database.rows(
                connection, "grow_slice", slice_id=lease.slice_id, lease_token=lease.token, size=share.size
            )
            if not grown:
                return False
            await _claim(connection, job, grown[0], share, settings)
            return True
    return False


async def cut_slice(
    connection: AsyncConnection[DictRow],
    job: str,
    dag_run_id: str,
    settings: Settings,
    *,
    ordinal: int,
    size: int,
    label: str,
) -> DictRow:
    """Insert a slice of a run; return its id, ordinal, label and lease token."""
    (new,) = await database.rows(
        connection, "cut_slice", job=job, dag_run_id=dag_run_id, ordinal=ordinal, size=size, label=label,
        lease_seconds=settings.lease_seconds,
    )  # fmt: skip
    return new


async def _shares(
    connection: AsyncConnection[DictRow], job: Job, settings: Settings, *, limit: int, seconds: float, abandoned: bool
) -> list[Share]:
    if job is Job.PROCESSING:
        return await _shares_of_requests(connection, settings, limit=limit, seconds=seconds, abandoned=abandoned)
    return await _shares_of_batches(connection, settings, limit=limit, abandoned=abandoned)


async def _shares_of_requests(
    connection: AsyncConnection[DictRow], settings: Settings, *, limit: int, seconds: float, abandoned: bool
) -> list[Share]:
    limits = await database.rows(connection, "room_at_thunderhead", seconds=seconds)
    room = {row["document_type"]: row["room"] for row in limits if row["source_system"] == ALL}
    room_of_systems = {row["source_system"]: row["room"] for row in limits if row["source_system"] != ALL}
    cursor = connection.cursor(row_factory=class_row(DueRequest))
    await cursor.execute(
        query("lock_due_requests"),
        {
            "limit": limit,
            "abandoned": abandoned,
            "full_types": [name for name, number in room.items() if not number],
            "full_systems": [name for name, number in room_of_systems.items() if not number],
        },
    )
    due = await cursor.fetchall()
    return [
        Share(
            label_of_requests(part),
            len(part),
            {
                "request_ids": [request.request_id for request in part],
                "worker_died": [request.worker_died for request in part],
            },
        )
        for part in cut_requests(with_room(due, room, room_of_systems), slice_size=settings.slice_size, limit=limit)
    ]


async def _shares_of_batches(
    connection: AsyncConnection[DictRow], settings: Settings, *, limit: int, abandoned: bool
) -> list[Share]:
    locked = await database.rows(
        connection, "lock_due_batches", limit=limit, abandoned=abandoned,
        ahead_seconds=AHEAD_SECONDS if settings.slice_seconds else 0,
    )  # fmt: skip
    batch_keys = {row["request_id"]: row["batch_key"] for row in locked}  # a request has one open batch
    due = [DueRequest(row["request_id"], "", "", row["worker_died"], row["deaths"]) for row in locked]
    return [
        Share(
            label_of_batches([it.request_id for it in part]),
            len(part),
            {
                "batch_keys": [batch_keys[it.request_id] for it in part],
                "died_with": [it.request_id for it in part if it.worker_died],
            },
        )
        for part in cut_requests(due, slice_size=settings.slice_size, limit=limit)
    ]


async def _claim(
    connection: AsyncConnection[DictRow], job: Job, into: DictRow, share: Share, settings: Settings
) -> None:
    await database.execute(
        connection,
        CLAIM[job],
        slice_id=into["slice_id"],
        lease_token=into["lease_token"],
        lease_seconds=settings.lease_seconds,
        **share.values,
    )
