"""Keep to a rate."""

from __future__ import annotations

import asyncio
from time import monotonic


class Pace:
    """Spreads work evenly at ``per_second`` items a second. Lost time is not made up for."""

    def __init__(self, per_second: float) -> None:
        self._seconds_each = 1 / per_second
        self._next_at = 0.0

    async def wait_for(self, n: int = 1) -> None:
        """Wait until ``n`` more items are allowed."""
        wait = self._next_at - monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        self._next_at = max(self._next_at, monotonic()) + n * self._seconds_each
