"""The rate of calls that an outside system bears, found out together with all other slices.

Additive increase, multiplicative decrease, of a rate that all share (``outside_systems.bearable_per_second``): an
answer that says "not so fast" (429 with a short Retry-After), or one that is very slow, makes it less by a third;
every second without one makes it a little more; after ten minutes without one there is no limit. How many calls a
slice has in flight is bounded anyway (OMS_CONCURRENCY), and how many slices there are (OMS_MAX_SLICES).
"""

from __future__ import annotations

import asyncio
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms import database
from include.oms.breaker import System

DECREASE = 0.7
GROWTH = 0.02  # of the rate, a second; one call at least
FORGET_SECONDS = 600.0
SHARE_SECONDS = 1.0


class AdaptiveRate:
    """What one worker notices, shared once a second. ``slow_seconds``: an answer that takes longer is a sign, too."""

    def __init__(self, system: System, *, slow_seconds: float) -> None:
        self._system = system
        self._slow_seconds = slow_seconds
        self._resumes_at = 0.0
        self._shared_at = monotonic()
        self._calls = 0
        self._is_too_fast = False

    async def wait(self) -> None:
        """Until the system takes calls again."""
        await asyncio.sleep(max(self._resumes_at - monotonic(), 0))

    def answered(self, seconds: float) -> None:
        """A call was answered, after so long."""
        self._calls += 1
        self._is_too_fast = self._is_too_fast or seconds > self._slow_seconds

    def limited(self, retry_after: float) -> None:
        """A call was refused: nobody is to call for so many seconds."""
        self._is_too_fast = True
        self._resumes_at = max(self._resumes_at, monotonic() + retry_after)

    async def share(self, connection: AsyncConnection[DictRow], *, at_the_end: bool = False) -> None:
        """Tell the other slices: once a second, at the end, and at once where the system is to be left alone."""
        now = monotonic()
        seconds = now - self._shared_at
        if seconds < SHARE_SECONDS and not self._is_too_fast and not at_the_end:
            return
        if self._is_too_fast:
            await database.execute(
                connection, "slow_down", system=self._system, factor=DECREASE,
                calls_per_second=self._calls / max(seconds, 0.1), retry_after_seconds=max(self._resumes_at - now, 0.0),
            )  # fmt: skip
        else:
            await database.execute(
                connection, "speed_up", system=self._system, growth=GROWTH, forget_seconds=FORGET_SECONDS
            )
        self._shared_at, self._calls, self._is_too_fast = now, 0, False
