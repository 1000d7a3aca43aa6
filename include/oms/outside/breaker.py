"""The circuit breaker of an outside system. All slices share its state, in the table `outside_systems`.

It opens only on an outage: while other calls are answered, a failure counts against its own call alone. This module
holds the rules, without database and clock; `door.py` applies them. The figures were chosen by simulation, see
docs/decisions/0015-one-door-to-each-outside-system.md.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

FAILURES_THAT_OPEN = 10  # in a row, none of them begun before the last answer
WINDOW_CALLS = 200  # the longer window: a call counts half after 139 more
LEAST_CALLS = 50  # of the longer window, before its share says anything
SHARE_THAT_OPENS = 0.6  # of the longer window
ANSWERS_THAT_PROVE = 10  # after an outage, before the next one starts with the shortest pause again
BASE_SECONDS = 1.0
MAXIMUM_SECONDS = 60.0
REQUESTS_ON_PROBATION = 10  # that a claim takes while nobody knows whether the system is back


class System(StrEnum):
    """The outside systems of OMS itself. Those of other jobs stand beside them in ``systems.toml``."""

    THUNDERHEAD = "THUNDERHEAD"
    REFERENCE_DATA = "REFERENCE_DATA"
    KAFKA = "KAFKA"


class Failure(NamedTuple):
    """A call that the system did not answer as it should; times by the caller's monotonic clock."""

    began_at: float
    retry_after: float


@dataclass
class Failures:
    """The last failures of one caller. An answer removes the failures of calls that began before it."""

    latest: deque[Failure] = field(default_factory=lambda: deque(maxlen=1000))
    reason: str = ""

    def failed(self, began_at: float, reason: str, retry_after: float | None) -> None:
        """Add a call that failed."""
        self.latest.append(Failure(began_at, retry_after or 0.0))
        self.reason = reason

    def answered_at(self, at: float) -> None:
        """Drop the failures of calls that began before ``at``, when this caller or another one got an answer."""
        if self.latest:
            self.latest = deque((it for it in self.latest if it.began_at > at), maxlen=self.latest.maxlen)

    def clear(self) -> None:
        """Drop all of them, once they are booked as an outage."""
        self.latest.clear()

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.latest)

    @property
    def longest_retry_after(self) -> float:
        """The longest ``Retry-After`` among them, in seconds."""
        return max((it.retry_after for it in self.latest), default=0.0)


@dataclass(frozen=True)
class Booking:
    """The results of one caller's calls since its last booking.

    ``failures`` is the number of its last failures in a row. ``probe_answered``: whether its probe of an open breaker
    was answered; None if it made none.
    """

    answered: int = 0
    failed: int = 0
    failures: int = 0
    retry_after: float = 0.0
    reason: str = ""
    probe_answered: bool | None = None


@dataclass(frozen=True)
class BreakerState:
    """What all slices share. Times are seconds since the epoch, by the database's clock."""

    open_until: float | None = None  # None: closed
    opened: int = 0  # times in a row, without ANSWERS_THAT_PROVE between them
    recent_answered: float = 0.0
    recent_failed: float = 0.0
    reason: str | None = None

    def is_open(self, now: float) -> bool:
        """Whether nobody may call."""
        return self.open_until is not None and self.open_until > now

    def is_half_open(self, now: float) -> bool:
        """Whether one caller may make a probe."""
        return self.open_until is not None and self.open_until <= now


def booked(state: BreakerState, booking: Booking, now: float) -> BreakerState:
    """The state after a booking."""
    if booking.probe_answered:
        return replace(state, open_until=None, recent_answered=float(booking.answered), recent_failed=0.0)
    if booking.probe_answered is False:
        return _opened(state, booking, now)
    if state.open_until is not None:  # results of calls that began before it opened are not counted
        return state
    kept = (1 - 1 / WINDOW_CALLS) ** (booking.answered + booking.failed)
    answered = state.recent_answered * kept + booking.answered
    failed = state.recent_failed * kept + booking.failed
    share_opens = (
        booking.failed > 0 and answered + failed >= LEAST_CALLS and failed > SHARE_THAT_OPENS * (answered + failed)
    )
    if booking.failures >= FAILURES_THAT_OPEN or share_opens:
        return _opened(state, booking, now)
    opened = 0 if answered >= ANSWERS_THAT_PROVE and failed < answered else state.opened
    return replace(state, opened=opened, recent_answered=answered, recent_failed=failed)


def with_probe_given(state: BreakerState, now: float, probe_seconds: float) -> BreakerState:
    """Reserve the probe for one caller: no other one gets it until the result is booked or ``probe_seconds`` end."""
    return replace(state, open_until=now + probe_seconds)


def _opened(state: BreakerState, booking: Booking, now: float) -> BreakerState:
    pause = max(min(BASE_SECONDS * 2 ** min(state.opened, 20), MAXIMUM_SECONDS), booking.retry_after)
    return BreakerState(
        open_until=now + pause, opened=state.opened + 1, reason=booking.reason or state.reason or "it does not answer"
    )
