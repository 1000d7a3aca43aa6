"""A document of another system, cached: fetched when needed, at a bounded rate, by one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from include.oms.base.clock import awake_or_asleep
from include.oms.base.fetching import Fetched, FetchError
from include.oms.base.token_bucket import TokenBucket

BURST, PER_SECOND = 5, 1.0
"""Fetches that one document may cause. A client that adds a value and uses it at once is served; a flood of wrong
names does not reach the other system, and neither do our calls during its outage."""

PATIENCE_SECONDS = 0.5
"""Longest wait for a fetch that another thread has under way: an answer in time is shared, a slow one holds nobody."""

log = structlog.get_logger()
T = TypeVar("T")


class Source(Protocol):
    """Where a document comes from."""

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        """The JSON, or None in it where it still has that etag. Raises FetchError."""


class CachedDocument(Generic[T]):
    """The document under one URL, as last fetched. Shared by all threads of the process.

    ``parse`` makes the value of the JSON and raises FetchError where it is unusable: the last good value then stays.
    """

    def __init__(
        self,
        source: Source,
        url: str,
        parse: Callable[[Any], T],
        *,
        clock: Callable[[], float] = awake_or_asleep,  # what was good before the machine slept may be withdrawn
    ) -> None:
        self.value: T | None = None
        self._source = source
        self._url = url
        self._parse = parse
        self._clock = clock
        self._bucket = TokenBucket(burst=BURST, per_second=PER_SECOND, clock=clock)
        self._etag: str | None = None
        self._fetched_at = self._asked_at = float("-inf")
        self._last_failed = False
        self._fetching = threading.Lock()

    def age_seconds(self) -> float:
        """Seconds since the other system last confirmed the value; infinite where it never did."""
        return self._clock() - self._fetched_at

    def refresh(self, *, patience_seconds: float = PATIENCE_SECONDS) -> bool:
        """Fetch now, if the bucket allows it; whether there was an answer. One answer serves all who came before it.

        Waits ``patience_seconds`` at most for another thread's fetch, and not at all where the last one failed.
        """
        came_at = self._clock()
        if not self._fetching.acquire(timeout=0 if self._last_failed else patience_seconds):
            return False
        try:
            if self._asked_at > came_at:
                return self._fetched_at > came_at
            if not self._bucket.take():
                return False
            self._asked_at = self._clock()
            return self._fetch()
        finally:
            self._fetching.release()

    def refresh_behind(self) -> None:
        """Fetch in the background; at most once a second."""
        if not self._fetching.locked() and self._clock() - self._asked_at >= 1:
            threading.Thread(target=self.refresh, daemon=True).start()

    def _fetch(self) -> bool:
        try:
            content, etag = self._source.fetch(self._url, self._etag)
            if content is not None:
                self.value, self._etag = self._parse(content), etag
        except FetchError as error:
            log.warning("fetch_failed", url=self._url, reason=str(error))
            self._last_failed = True
            return False
        self._fetched_at, self._last_failed = self._clock(), False
        return True
