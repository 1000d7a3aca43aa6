"""What a worker keeps for a while before it tries it again."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class DelayQueue(Generic[T]):
    """Things, each with the time when its wait ends, by time.monotonic."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, it: T, at: float) -> None:
        """Keep it until then."""
        heappush(self._heap, (at, next(self._numbers), it))

    def due(self, most: int) -> list[T]:
        """Those whose wait is over, the longest over first; ``most`` at a time."""
        found: list[T] = []
        while self._heap and len(found) < most and self._heap[0][0] <= monotonic():
            found.append(heappop(self._heap)[2])
        return found

    def clear(self) -> list[T]:
        """All of them, whether their wait is over or not."""
        kept, self._heap = [it for _, _, it in self._heap], []
        return kept
