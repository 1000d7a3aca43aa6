"""A worker's lease on its slice: renewed while it works, and known to be lost as soon as it is lost."""

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
    """The fencing token of a slice, and until when it is valid for sure by this process's monotonic clock."""

    def __init__(self, slice_id: int, token: int, holds_until: float | None = None) -> None:
        self.slice_id = slice_id
        self.token = token
        self._holds_until = monotonic() if holds_until is None else holds_until  # not valid before the first renewal

    def holds_for(self, seconds: float) -> bool:
        """Whether nobody else can take the slice over within ``seconds``. Ask this before each submit."""
        return monotonic() + seconds < self._holds_until

    def took_all_at(self, asked_at: float, lease_seconds: float) -> None:
        """Note that everything it holds was leased at ``asked_at`` (time.monotonic)."""
        self._holds_until = asked_at + lease_seconds

    async def renew(self, connection: AsyncConnection[DictRow], renewal: str, lease_seconds: float) -> None:
        """Renew by the query named ``renewal``. If that renews no row, the lease holds nothing any more."""
        asked_at = monotonic()
        renewed = await database.rows(
            connection, renewal, slice_id=self.slice_id, lease_token=self.token, lease_seconds=lease_seconds
        )
        self._holds_until = asked_at + lease_seconds if renewed else asked_at


@asynccontextmanager
async def renewed(
    lease: Lease, connection: AsyncConnection[DictRow], *, renewal: str, lease_seconds: float
) -> AsyncIterator[None]:
    """Renew the lease now, unless it is fresh, and then every third of its length while the block runs.

    A renewal that fails is repeated at the next turn. Until one succeeds, ``holds_for`` returns false.
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
