"""Bulkheads: how many calls one source system may have in flight in one process, so that it never takes all of it.

- All its calls: four fifths of the threads. Some threads are always left for the others.
- Plain calls, from the token to the answer. They share one interpreter: more at the same time would not be faster.
- Costly calls - bulk calls, and bodies of more than ``COSTLY_BYTES`` - take up to 0.2 s of a core and 100 MB each.
- Searches and summaries: fewer than there are connections to the database.
- Refusals of calls beyond a quota: one at a time, each held for ``REFUSED_SECONDS``. A client that does not wait as
  long as it is asked to waits here, where it costs nothing.
- Documents: from the fetch to the last byte that the client takes. Each is in memory, with 64 MiB at most.

Source systems take turns: a place that becomes free goes to the one that had the last one longest ago, however many
calls another has waiting. So a flood waits for itself. While several call, each has its share of one half of the places
for plain calls. The other half is free at once for those who call now and then.

A call that finds no thread's place is refused at once. One that has a thread waits a while for the rest.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from typing import TypeVar

from include.oms.intake.refusals import TooManyCalls

COSTLY_BYTES = 65_536
_K = TypeVar("_K")
FEW_THREADS = 16  # a server with fewer has nothing to share out
REFUSED_SECONDS = 0.01
CALLING_SECONDS = 1.0  # a source system counts as calling for so long after its last call
PATIENCE_SECONDS, SHORT_PATIENCE_SECONDS = 1.0, 0.1


class Kind(Enum):
    """A kind of call: the most of one source system, and the most of all, at the same time."""

    PLAIN = (16, 16)
    COSTLY = (1, 2)
    SEARCH = (4, 6)
    DOCUMENT = (2, 6)
    REFUSED = (1, 4)


class Bulkheads:
    """Counts the calls in flight. Shared by all threads of the process."""

    def __init__(self, *, threads: int, wait_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._most_calls = threads * 4 // 5 if threads >= FEW_THREADS else threads
        self._wait_seconds = wait_seconds
        self._calls: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._places = {kind: _Places(*kind.value, clock, has_shares=kind is Kind.PLAIN) for kind in Kind}
        self._clock = clock
        self._stuck_until = 0.0

    def begin(self, source_system: str) -> None:
        """Count a call of that source system until ``end``. Raises TooManyCalls if its share is used up."""
        with self._lock:
            if self._calls[source_system] >= self._most_calls:
                raise TooManyCalls(f"{source_system} has {self._most_calls} calls in flight already")
            self._calls[source_system] += 1

    def end(self, source_system: str) -> None:
        """End the counting of a call."""
        with self._lock:
            _less(self._calls, source_system)

    @contextmanager
    def work(self, kind: Kind, source_system: str) -> Iterator[None]:
        """Wait for a place, and take it while the block runs. Raises TooManyCalls after ``wait_seconds``.

        A plain call does not raise: after ``PATIENCE_SECONDS`` it goes ahead without a place. Then something that the
        calls before it wait for is stuck, such as the database, and has its own bounds and its own refusal.
        """
        places = self._places[kind]
        patience = self._patience() if kind is Kind.PLAIN else self._wait_seconds
        has_place = places.take(source_system, patience)
        if not has_place and kind is not Kind.PLAIN:
            raise TooManyCalls(f"{source_system} has too many such calls in flight")
        if not has_place:
            self._stuck_until = self._clock() + CALLING_SECONDS
        try:
            yield
        finally:
            if has_place:
                places.give_back(source_system)

    def _patience(self) -> float:
        return SHORT_PATIENCE_SECONDS if self._clock() < self._stuck_until else PATIENCE_SECONDS


class _Places:
    """The places of one kind, and the calls that wait for one, by source system."""

    def __init__(self, each: int, total: int, clock: Callable[[], float], *, has_shares: bool) -> None:
        self._each, self._total, self._clock, self._has_shares = each, total, clock, has_shares
        self._taken: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[threading.Lock]] = OrderedDict()  # whose turn is next comes first
        self._called_at: OrderedDict[str, float] = OrderedDict()  # the last call, the oldest first
        self._lock = threading.Lock()

    def take(self, source_system: str, seconds: float) -> bool:
        """Wait for a place, at most so long; whether the caller has one now."""
        turn = threading.Lock()
        turn.acquire()
        with self._lock:
            self._called_at[source_system] = self._clock()
            self._called_at.move_to_end(source_system)
            self._waiting.setdefault(source_system, deque()).append(turn)
            self._hand_out()
        if turn.acquire(timeout=seconds):
            return True
        with self._lock:
            if turn not in self._waiting.get(source_system, ()):  # its turn has come at this very moment
                return True
            self._leave(source_system, turn)
            return False

    def give_back(self, source_system: str) -> None:
        """End the use of a place."""
        with self._lock:
            _less(self._taken, source_system)
            self._hand_out()

    def _hand_out(self) -> None:
        """Give the free places to the calls whose turn it is."""
        share = self._share()
        while self._taken.total() < self._total:
            name = next((name for name in self._waiting if self._taken[name] < share), None)
            if name is None:
                return
            turn = self._waiting[name][0]
            self._leave(name, turn)
            if name in self._waiting:
                self._waiting.move_to_end(name)
            self._taken[name] += 1
            turn.release()

    def _share(self) -> int:
        """The most places of one source system now."""
        while self._called_at and next(iter(self._called_at.values())) < self._clock() - CALLING_SECONDS:
            self._called_at.popitem(last=False)
        calling = len(self._called_at)
        return max(1, self._total // 2 // calling) if self._has_shares and calling > 1 else self._each

    def _leave(self, source_system: str, turn: threading.Lock) -> None:
        waiting = self._waiting[source_system]
        waiting.remove(turn)
        if not waiting:
            del self._waiting[source_system]


def _less(counter: Counter[_K], key: _K) -> None:
    """Subtract one. A name with no calls is dropped: names come from outside, in any number."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
