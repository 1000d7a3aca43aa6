"""Quotas: how many requests a source system may have open, and how many requests and bytes it may hand in in an hour.

The processes of the intake share each quota. A process counts in memory what it stores. Once a second, while there are
calls, one statement adds its counts to the OMS Database and returns the sums of all (``exchange_usage``).

Why not in the statement that stores a request: all calls of a source system would write one row, and each would wait
for the commit of the call before it. Counters by process would spare the wait, but cost a row version a call. So the
price is another one: a quota may be exceeded by what the other processes store in one second, and a process that is
killed forgets what it counted in its last second. An hour is one of the clock. Replays are not counted.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from include.oms.intake.checking import NewRequest
from include.oms.intake.reference_data import Limits
from include.oms.intake.refusals import DatabaseOutOfReach, QuotaExceeded

HOUR_SECONDS = 3600
EXCHANGE_SECONDS = 1.0
COUNT_OPEN_SECONDS = 10.0  # between two counts of the open requests; what this process stores meanwhile is added
FORGOTTEN_SECONDS = 60.0  # figures of that age are exchanged before they are used
OPEN_RETRY_SECONDS = 60
LOOKS_A_SECOND = 10  # calls of a source system that has nothing left, in one process; the others are refused unread
OPEN, REQUESTS, BYTES = "open-requests", "requests-an-hour", "bytes-an-hour"

log = structlog.get_logger()


class Store(Protocol):
    """The part of the database that quotas need."""

    def rows(self, name: str, /, **values: Any) -> list[dict[str, Any]]:
        """The rows of a query. Raises DatabaseOutOfReach."""


@dataclass
class _Usage:
    """What a source system has used, and what of it the other processes do not know yet."""

    hour: int  # its first second, since the epoch
    requests: int = 0
    bytes: int = 0
    open_requests: int = 0
    untold_requests: int = 0
    untold_bytes: int = 0
    told_at: float = float("-inf")
    used_at: float = float("-inf")
    looked_in: int = 0  # the second of the last calls that were looked at although nothing was left, and their number
    looks: int = 0


class Quotas:
    """The quotas of all source systems. Shared by all threads of the process."""

    def __init__(
        self,
        database: Store,
        limits: Callable[[str], Limits | None],
        defaults: Limits,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``limits`` returns a source system's own quotas, None if it has the defaults."""
        self._database, self._limits, self._defaults, self._clock = database, limits, defaults, clock
        self._usage: dict[str, _Usage] = {}
        self._open_counted_at = float("-inf")
        self._lock = threading.Lock()
        self._exchanging = threading.Lock()
        self._is_awaited = False

    def exhausted(self, source_system: str) -> QuotaExceeded | None:
        """The reason to refuse a call before its body is read: there is no room for one more request.

        None for a few calls a second all the same: a repeat of a stored request is free, and only its body tells.
        """
        usage = self._usage.get(source_system)
        if not usage or usage.hour < self._hour():
            return None
        refusal = self._over(usage, source_system, 1, 1)
        if not refusal:
            return None
        with self._lock:
            second = int(self._clock())
            if usage.looked_in != second:
                usage.looked_in, usage.looks = second, 0
            usage.looks += 1
            return None if usage.looks <= LOOKS_A_SECOND else refusal

    def refusal(self, source_system: str, requests: Sequence[NewRequest]) -> QuotaExceeded | None:
        """The reason why these may not be stored now; None if they may. Raises DatabaseOutOfReach."""
        return self._over(self._current(source_system), source_system, len(requests), _bytes(requests))

    def _over(self, usage: _Usage, source_system: str, number: int, size: int) -> QuotaExceeded | None:
        """The first quota that so many more requests and bytes would exceed."""
        limits = self._limits_of(source_system)
        to_next_hour = max(1, int(usage.hour + HOUR_SECONDS - self._clock()) + 1)
        wanted = (
            (OPEN, limits.most_open_requests, usage.open_requests, number, OPEN_RETRY_SECONDS),
            (REQUESTS, limits.most_requests_an_hour, usage.requests, number, to_next_hour),
            (BYTES, limits.most_bytes_an_hour, usage.bytes, size, to_next_hour),
        )
        for quota, limit, used, more, wait_seconds in wanted:
            if used + more > limit:
                return QuotaExceeded(quota, limit, used, wait_seconds)
        return None

    def count(self, source_system: str, stored: Sequence[NewRequest]) -> None:
        """Count requests that were stored just now."""
        if not stored:
            return
        number, size = len(stored), _bytes(stored)
        with self._lock:
            usage = self._of_this_hour(source_system)
            usage.requests += number
            usage.open_requests += number
            usage.bytes += size
            usage.untold_requests += number
            usage.untold_bytes += size
        self._exchange_soon()

    def headers(self, source_system: str) -> dict[str, str]:
        """``RateLimit`` and ``RateLimit-Policy``, as draft-ietf-httpapi-ratelimit-headers-10 has them."""
        usage = self._usage.get(source_system)
        if usage is None:
            return {}
        limits = self._limits_of(source_system)
        left_seconds = max(0, int(usage.hour + HOUR_SECONDS - self._clock()))
        most = (limits.most_open_requests, limits.most_requests_an_hour, limits.most_bytes_an_hour)
        used = (usage.open_requests, usage.requests, usage.bytes)
        left_open, left, left_bytes = (max(0, limit - it) for limit, it in zip(most, used, strict=True))
        return {
            "RateLimit-Policy": f'"{OPEN}";q={most[0]}, "{REQUESTS}";q={most[1]};w={HOUR_SECONDS}, '
            f'"{BYTES}";q={most[2]};qu="content-bytes";w={HOUR_SECONDS}',
            "RateLimit": f'"{OPEN}";r={left_open}, "{REQUESTS}";r={left};t={left_seconds}, '
            f'"{BYTES}";r={left_bytes};t={left_seconds}',
        }

    def exchange(self) -> None:
        """Tell the other processes what this one has stored, and learn what they have. Raises DatabaseOutOfReach.

        Does nothing while another thread does it: in an outage, calls must not wait for each other.
        """
        if not self._exchanging.acquire(blocking=False):
            return
        try:
            with self._lock:
                now = self._clock()
                sent = {
                    name: (usage.untold_requests, usage.untold_bytes)
                    for name, usage in self._usage.items()
                    if usage.untold_requests or now - usage.used_at < FORGOTTEN_SECONDS
                }
            if not sent:
                return
            counts_open = now - self._open_counted_at >= COUNT_OPEN_SECONDS
            rows = self._database.rows(
                "exchange_usage",
                source_systems=list(sent),
                hours=[self._hour()] * len(sent),
                requests=[requests for requests, _ in sent.values()],
                bytes=[size for _, size in sent.values()],
                counts_open=counts_open,
            )
            if counts_open:
                self._open_counted_at = now
            with self._lock:
                for row in rows:
                    _take_over(self._usage[row["source_system"]], row, *sent[row["source_system"]], counts_open, now)
        finally:
            self._exchanging.release()

    def _current(self, source_system: str) -> _Usage:
        """The figures of a source system in this hour. They are exchanged soon, or now if they are unknown or old."""
        with self._lock:
            usage = self._of_this_hour(source_system)
        if self._clock() - usage.told_at >= FORGOTTEN_SECONDS:
            self._open_counted_at = float("-inf")
            self.exchange()
        self._exchange_soon()
        return usage

    def _of_this_hour(self, source_system: str) -> _Usage:
        hour = self._hour()
        usage = self._usage.setdefault(source_system, _Usage(hour))
        if usage.hour < hour:
            usage.hour, usage.requests, usage.bytes = hour, usage.untold_requests, usage.untold_bytes
        usage.used_at = self._clock()
        return usage

    def _exchange_soon(self) -> None:
        with self._lock:
            if self._is_awaited:
                return
            self._is_awaited = True
        timer = threading.Timer(EXCHANGE_SECONDS, self._exchange_behind)
        timer.daemon = True
        timer.start()

    def _exchange_behind(self) -> None:
        self._is_awaited = False
        try:
            self.exchange()
        except DatabaseOutOfReach:
            log.info("usage_not_exchanged")  # the counts stay for the next time

    def _limits_of(self, source_system: str) -> Limits:
        return self._limits(source_system) or self._defaults

    def _hour(self) -> int:
        return int(self._clock()) // HOUR_SECONDS * HOUR_SECONDS


def _take_over(usage: _Usage, row: dict[str, Any], requests: int, size: int, counts_open: bool, now: float) -> None:
    """Take over the sums of all processes, and add what this one has stored since it sent its counts."""
    usage.untold_requests -= requests
    usage.untold_bytes -= size
    usage.hour, usage.told_at = row["hour"], now
    usage.requests = row["requests"] + usage.untold_requests
    usage.bytes = row["bytes"] + usage.untold_bytes
    if counts_open:
        usage.open_requests = row["open_requests"] + usage.untold_requests


def _bytes(requests: Sequence[NewRequest]) -> int:
    return sum(memoryview(request.sent.document_content).nbytes for request in requests)
