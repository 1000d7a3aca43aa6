"""A worker's hold on its slice: renewed while it works, and known to be lost when it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database


class Lease:
    """The fencing token of a slice, and how long it surely holds by this process's own clock."""

    def __init__(self, slice_id: int, token: int, holds_until: float | None = None) -> None:
        self.slice_id = slice_id
        self.token = token
        self._holds_until = monotonic() if holds_until is None else holds_until  # before a renewal nothing is sure

    def holds_for(self, seconds: float) -> bool:
        """Whether nobody else can take the slice over within ``seconds``. A submit asks before it starts."""
        return monotonic() + seconds < self._holds_until

    def took_all_at(self, asked_at: float, lease_seconds: float) -> None:
        """All that it holds has been claimed at ``asked_at`` (by time.monotonic)."""
        self._holds_until = asked_at + lease_seconds

    async def renew(self, connection: AsyncConnection[DictRow], renewal: str, lease_seconds: float) -> None:
        """Prolong by the query ``renewal``; where it renews nothing, it holds nothing (any more)."""
        asked_at = monotonic()
        renewed = await database.rows(
            connection, renewal, slice_id=self.slice_id, lease_token=self.token, lease_seconds=lease_seconds
        )
        self._holds_until = asked_at + lease_seconds if renewed else asked_at


@asynccontextmanager
async def renewed(
    lease: Lease, connection: AsyncConnection[DictRow], *, renewal: str, lease_seconds: float
) -> AsyncIterator[None]:
    """Renew the lease at once, unless it is fresh, and then every third of its length as long as the block runs.

    A renewal that fails is tried again at the next turn; until it succeeds ``holds_for`` says no.
    """

    async def keep_renewing() -> None:
        while True:
            await asyncio.sleep(lease_seconds / 3)
            with suppress(psycopg.Error):
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
