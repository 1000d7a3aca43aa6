"""Group commit: what several calls store at the same moment goes to the database as one statement.

A call that comes alone stores at once. While it waits for the database, others gather; the first of them then stores
for all, in one round trip and one commit. Each call is answered after that commit. (PostgreSQL's own group commit
shares the wait for the disk, not the work of a statement.)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Calls ``work`` with what several threads hand in. Shared by all threads of the process."""

    def __init__(
        self,
        work: Callable[[Sequence[T]], Sequence[R]],
        key: Callable[[T], Hashable],
        *,
        most: int,
        at_once: int,
        of_all: type[Exception],
    ) -> None:
        """``work`` returns a result for each item. It gets ``most`` items at most, of each ``key`` one.

        It runs ``at_once`` times at the same time. An error of the type ``of_all`` is every item's. After another one,
        ``work`` is called for each item by itself. A call waits here for two calls of ``work``, which has its own
        bounds.
        """
        self._work, self._key, self._most, self._of_all = work, key, most, of_all
        self._waiting: list[_Turn[T, R]] = []
        self._free = at_once
        self._lock = threading.Lock()

    def do(self, item: T) -> R:
        """The result of ``work`` for this item. Raises what ``work`` raises for it."""
        mine = _Turn[T, R](item)
        with self._lock:
            leads = self._free > 0
            if leads:
                self._free -= 1
            else:
                self._waiting.append(mine)
        if not leads:
            mine.wait()
        if not mine.is_done:
            self._lead(mine)
        return mine.result()

    def _lead(self, mine: _Turn[T, R]) -> None:
        """Work for this call and for those that wait. Then the first of those that came meanwhile does so."""
        with self._lock:
            batch = self._take(mine)
        try:
            self._work_for(batch)
        finally:
            with self._lock:
                following = [self._waiting.pop(0)] if self._waiting else []
                self._free += not following
            for turn in [*batch[1:], *following]:
                turn.wake()

    def _take(self, mine: _Turn[T, R]) -> list[_Turn[T, R]]:
        """This call, and those that wait, in the order in which they came."""
        taken = {self._key(mine.item): mine}
        left = []
        for turn in self._waiting:
            key = self._key(turn.item)
            if len(taken) < self._most and key not in taken:
                taken[key] = turn
            else:
                left.append(turn)
        self._waiting = left
        return list(taken.values())

    def _work_for(self, batch: Sequence[_Turn[T, R]]) -> None:
        try:
            results = self._work([turn.item for turn in batch])
            for turn, result in zip(batch, results, strict=True):
                turn.succeed(result)
        except self._of_all as error:
            for turn in batch:
                turn.fail(error)
        except Exception as error:  # noqa: BLE001  # the call that it belongs to raises it
            if len(batch) == 1:
                batch[0].fail(error)
            else:
                for turn in batch:
                    self._work_for([turn])


class _Turn(Generic[T, R]):
    """One call's item and its result. The call sleeps until it has one, or is the next to work."""

    def __init__(self, item: T) -> None:
        self.item = item
        self._result: R
        self._error: Exception | None = None
        self.is_done = False
        self._asleep = threading.Lock()
        self._asleep.acquire()

    def wait(self) -> None:
        self._asleep.acquire()

    def wake(self) -> None:
        self._asleep.release()

    def succeed(self, result: R) -> None:
        self._result, self.is_done = result, True

    def fail(self, error: Exception) -> None:
        self._error, self.is_done = error, True

    def result(self) -> R:
        if self._error:
            raise self._error
        return self._result
