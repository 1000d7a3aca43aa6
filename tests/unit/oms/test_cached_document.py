"""One call at a time, and one answer for all who waited."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from include.oms.base.cached_document import CachedDocument
from include.oms.base.fetching import Fetched, FetchError


class Slow:
    """A source that answers when it is told to."""

    def __init__(self, *, fails: bool = False) -> None:
        self.calls = 0
        self.go = threading.Event()
        self.fails = fails

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        self.calls += 1
        self.go.wait(5)
        if self.fails:
            raise FetchError("answered 500")
        return Fetched(self.calls, None)


def ask_at_once(source: Slow, callers: int) -> list[bool]:
    """All ask before the source answers: it waits until each has looked at the clock, as a call does first."""
    asking = set[int]()

    def clock() -> float:
        asking.add(threading.get_ident())
        return time.monotonic()

    remembered = CachedDocument(source, "http://x", int, clock=clock)
    with ThreadPoolExecutor(callers) as pool:
        asked = [pool.submit(remembered.refresh, patience_seconds=30) for _ in range(callers)]
        while len(asking - {threading.get_ident()}) < callers or source.calls == 0:
            time.sleep(0.001)
        source.go.set()
        return [call.result(30) for call in asked]


def test_a_crowd_causes_two_calls_at_most() -> None:
    source = Slow()
    assert ask_at_once(source, 32) == [True] * 32
    assert source.calls <= 2


def test_a_crowd_in_an_outage_waits_for_two_calls_at_most() -> None:
    source = Slow(fails=True)
    assert ask_at_once(source, 32) == [False] * 32
    assert source.calls <= 2


def test_an_outage_holds_one_thread_and_no_more() -> None:
    source = Slow(fails=True)
    remembered = CachedDocument(source, "http://x", int)
    source.go.set()
    assert not remembered.refresh()
    source.go.clear()
    with ThreadPoolExecutor(2) as pool:
        held = pool.submit(remembered.refresh)
        while source.calls < 2:
            pass
        assert pool.submit(remembered.refresh).result(1) is False  # at once, and the first one still waits
        assert not held.done()
        source.go.set()
    source.fails = False
    assert remembered.refresh()
