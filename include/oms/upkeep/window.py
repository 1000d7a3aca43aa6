"""A period of time, in pieces that are small enough for one statement each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from psycopg.errors import QueryCanceled

HOUR = timedelta(hours=1)
SHORTEST = timedelta(seconds=1)


@dataclass(frozen=True)
class Window:
    """A period from one instant (inclusive) to another (exclusive)."""

    window_from: datetime
    window_to: datetime

    @classmethod
    def of_day(cls, day: date) -> Window:
        """The window of one day in UTC."""
        start = datetime.combine(day, time(), UTC)
        return cls(start, start + timedelta(days=1))

    def hours(self) -> Iterator[Window]:
        """The window in pieces of an hour; the last may be shorter."""
        start = self.window_from
        while start < self.window_to:
            yield Window(start, min(start + HOUR, self.window_to))
            start += HOUR

    def halves(self) -> tuple[Window, Window]:
        """The window in two pieces."""
        middle = self.window_from + (self.window_to - self.window_from) / 2
        return Window(self.window_from, middle), Window(middle, self.window_to)

    async def each_piece(self, statement: Callable[[Window], Awaitable[None]]) -> None:
        """Run one statement for each hour, in their order. A piece that exceeds the statement time-out is halved.

        Raises psycopg.errors.QueryCanceled if even a second takes too long.
        """
        waiting = list(self.hours())[::-1]
        while waiting:
            piece = waiting.pop()
            try:
                await statement(piece)
            except QueryCanceled:
                if piece.window_to - piece.window_from <= SHORTEST:
                    raise
                waiting += piece.halves()[::-1]

    def values(self) -> dict[str, datetime]:
        """The values that a query binds."""
        return {"window_from": self.window_from, "window_to": self.window_to}

    def __str__(self) -> str:
        return f"{self.window_from:%Y-%m-%d %H:%M} to {self.window_to:%Y-%m-%d %H:%M} UTC"
