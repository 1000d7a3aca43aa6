"""The rate of calls that an outside system bears, found out together with all other slices.

Additive increase, multiplicative decrease, of a rate that all share (``outside_systems.bearable_per_second``): an
answer that says "not so fast" (429 with a short Retry-After), or one that is very slow, makes it less by a third;
every second without one makes it a little more; after ten minutes without one there is no limit. How many calls a
slice has in flight is bounded anyway (OMS_CONCURRENCY), and how many slices there are (OMS_MAX_SLICES).
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.outside.breaker import System

DECREASE = 0.7
GROWTH = 0.02  # of the rate, a second; one call at least
FORGET_SECONDS = 600.0
SHARE_SECONDS = 1.0
CATCH_UP_SECONDS = 0.05  # of lateness that the next calls make up for: the event loop wakes nobody to the moment


class AdaptiveRate:
    """What one worker notices, shared once a second; and the worker's own part of the rate, which its calls keep to.

    ``slow_seconds``: an answer that takes longer is a sign, too. ``finds_the_rate`` is for the worker that makes most
    of the calls: how many it got through is what the system bears. Who makes a few beside it does not know.
    """

    def __init__(self, system: System, *, slow_seconds: float, finds_the_rate: bool) -> None:
        self._system = system
        self._slow_seconds = slow_seconds
        self._finds_the_rate = finds_the_rate
        self._per_second: float | None = None
        self._turn = asyncio.Lock()
        self._next_at = 0.0
        self._resumes_at = 0.0
        self._resumed_at = 0.0
        self._shared_at = monotonic()
        self._answered_at: deque[float] = deque()
        self._is_too_fast = False

    async def wait(self) -> None:
        """Until it is this call's turn, and the system takes calls again.

        One after the other, even those that got their place in line before there was a rate: a system that has asked
        for a pause would meet all of them at once at its end.
        """
        async with self._turn:
            while (seconds := max(self._resumes_at, self._next_at) - monotonic()) > 0:  # noqa: ASYNC110 - a time
                await asyncio.sleep(seconds)
            if self._per_second:
                self._next_at = max(self._next_at, monotonic() - CATCH_UP_SECONDS) + 1 / self._per_second

    def answered(self, seconds: float) -> None:
        """A call was answered, after so long."""
        self._answered_at.append(monotonic())
        self._is_too_fast = self._is_too_fast or seconds > self._slow_seconds

    def limited(self, retry_after: float) -> None:
        """A call was refused: nobody is to call for so many seconds."""
        now = monotonic()
        if now >= self._resumes_at:  # else it was on its way when the pause began
            self._is_too_fast = True
            self._resumed_at = self._resumes_at
        self._resumes_at = max(self._resumes_at, now + retry_after)

    async def share(self, connection: AsyncConnection[DictRow], *, at_the_end: bool = False) -> None:
        """Tell the other slices: once a second, at the end, and at once where the system is to be left alone."""
        now = monotonic()
        if now - self._shared_at < SHARE_SECONDS and not self._is_too_fast and not at_the_end:
            return
        if self._resumes_at > now:
            await database.execute(
                connection, "call_later", system=self._system, retry_after_seconds=self._resumes_at - now
            )
        if self._finds_the_rate:
            await self._slow_down(connection, now)
        if not self._is_too_fast:
            await database.execute(
                connection, "speed_up", system=self._system, growth=GROWTH, forget_seconds=FORGET_SECONDS
            )
        (part,) = await database.rows(connection, "part_of_rate", system=self._system)
        self._per_second = part["per_second"]
        self._shared_at, self._is_too_fast = now, False

    async def _slow_down(self, connection: AsyncConnection[DictRow], now: float) -> None:
        """Where it was too fast, for this worker or another in this second: all add up what they got through."""
        while self._answered_at and self._answered_at[0] < now - 1:
            self._answered_at.popleft()
        if self._is_too_fast:
            await database.execute(connection, "slow_down", system=self._system)
        last_pause_ended = self._resumes_at if self._resumes_at <= now else self._resumed_at
        knows = now - last_pause_ended >= 1  # what a second without a pause in it comes to
        told = await database.rows(
            connection, "add_calls_borne",
            system=self._system, factor=DECREASE, calls=len(self._answered_at) if knows else None,
        )  # fmt: skip
        if told:
            self._answered_at.clear()
