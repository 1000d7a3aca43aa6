"""A worker's lease on its slice: renewed while it works, and known to be lost when it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.clock import awake_or_asleep


class Lease:
    """The fencing token of a slice, and until when it is valid for sure by this process's monotonic clock."""

    def __init__(self, slice_id: int, token: int, holds_until: float | None = None) -> None:
        self.slice_id = slice_id
        self.token = token
        self._holds_until = awake_or_asleep() if holds_until is None else holds_until  # not sure before a renewal

    def holds_for(self, seconds: float) -> bool:
        """Whether nobody else can take the slice over within ``seconds``. A submit asks before it starts."""
        return awake_or_asleep() + seconds < self._holds_until

    async def renew(self, connection: AsyncConnection[DictRow], renewal: str, lease_seconds: float) -> None:
        """Prolong the lease by the query ``renewal``. If it renews nothing, the worker has lost its slice."""
        asked_at = awake_or_asleep()
        renewed = await database.rows(
            connection, renewal, slice_id=self.slice_id, lease_token=self.token, lease_seconds=lease_seconds
        )
        self._holds_until = asked_at + lease_seconds if renewed else asked_at


@asynccontextmanager
async def renewed(
    lease: Lease,
    connection: AsyncConnection[DictRow],
    *,
    renewal: str,
    lease_seconds: float,
    lock: AbstractAsyncContextManager[Any],
) -> AsyncIterator[None]:
    """Renew the lease now, unless it is fresh, and then every third of its length while the block runs.

    A renewal that fails is tried again at the next turn; until it succeeds ``holds_for`` says no. ``lock`` is what the
    connection's users take turns by.
    """

    async def keep_renewing() -> None:
        while True:
            await asyncio.sleep(lease_seconds / 3)
            with suppress(psycopg.Error):
                async with lock:
                    await lease.renew(connection, renewal, lease_seconds)

    if not lease.holds_for(lease_seconds * 2 / 3):
        await lease.renew(connection, renewal, lease_seconds)
    renewing = asyncio.create_task(keep_renewing())
    try:
        yield
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
