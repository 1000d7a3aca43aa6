"""Bulkheads: how many calls one source system may have in flight in one process, so that it never takes all of it.

- All its calls: four fifths of the threads. Some threads are always left for the others.
- Costly calls - bulk calls, and bodies of more than ``COSTLY_BYTES`` - two at a time, four of all source systems: each
  takes up to 0.2 s of a core and 100 MB.
- Searches and summaries: four at a time, six of all: fewer than there are connections to the database.
- Documents: two at a time, six of all, from the fetch to the last byte that the client takes. Each is in memory, with
  64 MiB at most.

A call that finds no thread's place is refused at once. One that has a thread waits a while for the rest.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

from include.oms.intake.refusals import TooManyCalls

COSTLY_BYTES = 65_536
_K = TypeVar("_K")
FEW_THREADS = 16  # a server with fewer has nothing to share out


class Kind(Enum):
    """A kind of call: the most of one source system, and the most of all, at the same time."""

    COSTLY = (2, 4)
    SEARCH = (4, 6)
    DOCUMENT = (2, 6)


class Bulkheads:
    """Counts the calls in flight. Shared by all threads of the process."""

    def __init__(self, *, threads: int, wait_seconds: float) -> None:
        self._most_calls = threads * 4 // 5 if threads >= FEW_THREADS else threads
        self._wait_seconds = wait_seconds
        self._calls: Counter[str] = Counter()
        self._working: Counter[tuple[Kind, str | None]] = Counter()
        self._changed = threading.Condition()

    def begin(self, source_system: str) -> None:
        """Count a call of that source system until ``end``. Raises TooManyCalls if its share is used up."""
        with self._changed:
            if self._calls[source_system] >= self._most_calls:
                raise TooManyCalls(f"{source_system} has {self._most_calls} calls in flight already")
            self._calls[source_system] += 1

    def end(self, source_system: str) -> None:
        """End the counting of a call."""
        with self._changed:
            _less(self._calls, source_system)

    @contextmanager
    def work(self, kind: Kind, source_system: str) -> Iterator[None]:
        """Wait for room, and take it while the block runs. Raises TooManyCalls after ``wait_seconds``."""
        each, total = kind.value
        mine, all_of_them = (kind, source_system), (kind, None)
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._working[mine] < each and self._working[all_of_them] < total, self._wait_seconds
            ):
                raise TooManyCalls(f"{source_system} has too many such calls in flight")
            self._working.update((mine, all_of_them))
        try:
            yield
        finally:
            with self._changed:
                _less(self._working, mine)
                _less(self._working, all_of_them)
                self._changed.notify_all()


def _less(counter: Counter[_K], key: _K) -> None:
    """Subtract one. A name with no calls is dropped: names come from outside, in any number."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
