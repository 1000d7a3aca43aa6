"""A queue whose items wait until their time."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class DelayQueue(Generic[T]):
    """Items, each with the time when its wait ends, by time.monotonic."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, it: T, at: float) -> None:
        """Add an item that waits until that time."""
        heappush(self._heap, (at, next(self._numbers), it))

    def due(self, most: int) -> list[T]:
        """Remove and return the items whose wait is over, the oldest first; ``most`` at most."""
        found: list[T] = []
        while self._heap and len(found) < most and self._heap[0][0] <= monotonic():
            found.append(heappop(self._heap)[2])
        return found

    def clear(self) -> list[T]:
        """Remove and return all items."""
        kept, self._heap = [it for _, _, it in self._heap], []
        return kept
