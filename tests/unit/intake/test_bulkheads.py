"""Source systems take turns: another's flood waits for itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from include.oms.intake.bulkheads import CALLING_SECONDS, Bulkheads, Kind

WAIT_SECONDS = 30
_, ALL = Kind.PLAIN.value


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Calls:
    """Plain calls in threads of their own. ``at_work`` are those that have a place, in the order of getting it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("include.oms.intake.bulkheads.PATIENCE_SECONDS", WAIT_SECONDS)
        self.clock = Clock()
        self.bulkheads = Bulkheads(threads=80, wait_seconds=WAIT_SECONDS, clock=self.clock)
        self.at_work: list[str] = []
        self._ends: list[tuple[threading.Thread, threading.Event]] = []
        self._threads: list[threading.Thread] = []
        self._begun = 0

    def begin(self, source_system: str, number: int = 1) -> None:
        """Begin calls; each is at work or waits when this returns."""
        for _ in range(number):
            end = threading.Event()
            thread = threading.Thread(target=self._call, args=(source_system, end))
            self._threads.append(thread)
            self._begun += 1
            thread.start()
            self._settle()

    def end(self, source_system: str) -> None:
        """End the first call at work of a source system. Its place has gone to the next one when this returns."""
        index = self.at_work.index(source_system)
        del self.at_work[index]
        self._begun -= 1
        thread, end = self._ends.pop(index)
        end.set()
        thread.join(WAIT_SECONDS)
        self._settle()

    def end_all(self) -> None:
        while any(thread.is_alive() for thread in self._threads):
            for _, end in list(self._ends):
                end.set()
            for thread in self._threads:
                thread.join(0.01)

    def _call(self, source_system: str, end: threading.Event) -> None:
        with self.bulkheads.work(Kind.PLAIN, source_system):
            self.at_work.append(source_system)
            self._ends.append((threading.current_thread(), end))
            assert end.wait(WAIT_SECONDS)

    def _waiting(self) -> int:
        return sum(len(turns) for turns in self.bulkheads._places[Kind.PLAIN]._waiting.values())

    def _settle(self) -> None:
        """Wait until each call is at work or waits."""
        for _ in range(WAIT_SECONDS * 1000):
            if len(self._ends) + self._waiting() == self._begun:
                return
            threading.Event().wait(0.001)
        raise AssertionError(self.at_work)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    calls = Calls(monkeypatch)
    yield calls
    calls.end_all()


def test_one_that_calls_alone_has_all_places(calls: Calls) -> None:
    calls.begin("FLOOD", ALL + 5)
    assert calls.at_work == ["FLOOD"] * ALL


def test_the_next_place_is_the_others_however_many_wait_before(calls: Calls) -> None:
    calls.begin("FLOOD", ALL + 20)
    calls.begin("POLITE")
    calls.end("FLOOD")
    assert calls.at_work.count("POLITE") == 1


def test_while_others_call_each_has_its_share_of_half_the_places(calls: Calls) -> None:
    calls.begin("POLITE")
    calls.begin("FLOOD", 20)
    assert calls.at_work.count("FLOOD") == ALL // 4
    calls.begin("THIRD")  # a place is free for it
    assert calls.at_work.count("THIRD") == 1


def test_a_share_grows_again_when_the_others_call_no_more(calls: Calls) -> None:
    calls.begin("POLITE")
    calls.begin("FLOOD", 20)
    calls.end("POLITE")
    assert calls.at_work.count("FLOOD") == ALL // 4
    calls.clock.now += CALLING_SECONDS + 0.1
    calls.begin("FLOOD")
    assert calls.at_work.count("FLOOD") == ALL


def test_other_kinds_have_fixed_places(calls: Calls) -> None:
    with ExitStack() as held:
        for source_system in ("A", "A", "B", "B", "C", "C"):
            held.enter_context(calls.bulkheads.work(Kind.DOCUMENT, source_system))


def test_a_plain_call_that_waits_for_something_stuck_goes_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.oms.intake.bulkheads.PATIENCE_SECONDS", 0.01)
    bulkheads = Bulkheads(threads=80, wait_seconds=WAIT_SECONDS)
    with ExitStack() as stuck:
        for _ in range(ALL + 3):
            stuck.enter_context(bulkheads.work(Kind.PLAIN, "A"))
    with bulkheads.work(Kind.PLAIN, "A"):
        assert bulkheads._places[Kind.PLAIN]._taken == {"A": 1}
