"""A document of another system, remembered: asked for when needed, at a bounded rate, by one thread at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from include.oms.intake.fetching import Fetched, FetchError
from include.oms.intake.rate_limit import RateLimit

BURST, PER_SECOND = 5, 1.0
"""Calls that one document may cause. Whoever adds something and tries at once is served; a flood of wrong names is
not passed on to the other system, nor are our calls during its outage."""

log = structlog.get_logger()
T = TypeVar("T")


class Source(Protocol):
    """Where a document comes from."""

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        """The JSON, or None in it where it still has that etag. Raises FetchError."""


class Remembered(Generic[T]):
    """The document under one URL, as last seen. Shared by all threads of the process."""

    def __init__(
        self,
        source: Source,
        url: str,
        parse: Callable[[Any], T],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.value: T | None = None
        self._source = source
        self._url = url
        self._parse = parse
        self._clock = clock
        self._limit = RateLimit(burst=BURST, per_second=PER_SECOND, clock=clock)
        self._etag: str | None = None
        self._seen_at = self._asked_at = float("-inf")
        self._is_away = False
        self._asking = threading.Lock()

    def age_seconds(self) -> float:
        """Since the other system last said that this is it; infinite where it never did."""
        return self._clock() - self._seen_at

    def refresh(self) -> bool:
        """Ask now, if the limit allows; whether there was an answer. One call answers all who came before it.

        Nobody waits for a call that somebody else makes where the one before it had no answer: else a flood of wrong
        names would hold every thread while the other system is slow.
        """
        if self._is_away and self._asking.locked():
            return False
        came_at = self._clock()
        with self._asking:
            if self._asked_at > came_at:
                return self._seen_at > came_at
            if not self._limit.take():
                return False
            self._asked_at = self._clock()
            return self._ask()

    def refresh_behind(self) -> None:
        """Ask without letting the caller wait; at most once a second."""
        if not self._asking.locked() and self._clock() - self._asked_at >= 1:
            threading.Thread(target=self.refresh, daemon=True).start()

    def _ask(self) -> bool:
        try:
            content, etag = self._source.fetch(self._url, self._etag)
            if content is not None:
                self.value, self._etag = self._parse(content), etag
        except FetchError as error:
            log.warning("fetch_failed", url=self._url, reason=str(error))
            self._is_away = True
            return False
        self._seen_at, self._is_away = self._clock(), False
        return True
