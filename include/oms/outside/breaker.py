"""The circuit breaker of an outside system, shared by all slices through the table outside_systems.

Failures in a row open it: the slice stops early, and no run claims work until it may be tried again. The first
call that succeeds closes it. An outage is nobody's failure: what it turned back has spent no attempt.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database

FAILURES_THAT_OPEN = 5  # in a row; fewer may be single requests' bad luck
BASE_SECONDS = 5.0
MAXIMUM_SECONDS = 60.0
REQUESTS_ON_PROBATION = 10  # several, so that one bad request cannot keep the breaker open for all


class System(StrEnum):
    """The outside systems that can be paused, limited, and cut off by the breaker."""

    THUNDERHEAD = "THUNDERHEAD"
    REFERENCE_DATA = "REFERENCE_DATA"
    KAFKA = "KAFKA"


@dataclass(frozen=True)
class Health:
    """State of an outside system. ``why_not`` is None if it may be called."""

    on_probation: bool
    why_not: str | None


async def health_of(connection: AsyncConnection[DictRow], system: System) -> Health:
    """Whether ``system`` may be called now, and if not, why."""
    (row,) = await database.rows(connection, "breaker_state", system=system)
    if row["paused"]:
        return Health(False, f"{system} is paused by {row['paused_by']}: {row['paused_why'] or 'no reason given'}")
    if row["open"]:
        return Health(False, f"{system} is out; the breaker is open for another {row['open_for_seconds']:.0f} s")
    return Health(row["failures"] > 0, None)


class Breaker:
    """One slice's view of a system's health while it works."""

    def __init__(self, system: System, *, on_probation: bool) -> None:
        self.system = system
        self.reason = ""
        self._on_probation = on_probation
        self._failures_in_a_row = 0
        self._retry_after = 0.0
        self._has_answered = False
        self._is_told_to_stop = False

    @property
    def is_open(self) -> bool:
        """Whether the slice must stop calling."""
        return self._is_told_to_stop or self._failures_in_a_row >= FAILURES_THAT_OPEN or self._retry_after > 0

    async def heed(self, connection: AsyncConnection[DictRow]) -> None:
        """Open as well if another slice has met the outage, or if somebody has paused the system."""
        if not self.is_open and (why_not := (await health_of(connection, self.system)).why_not):
            self._is_told_to_stop, self.reason = True, why_not

    @property
    def _is_out(self) -> bool:
        """Open; or on probation, tried, and not passed."""
        return self.is_open or (self._on_probation and not self._has_answered and self._failures_in_a_row > 0)

    def answered(self) -> None:
        """The system took a call and answered it, whatever it thought of that request."""
        self._failures_in_a_row = 0
        self._has_answered = True

    def failed(self, reason: str, retry_after: float | None) -> None:
        """The system did not do its part. A Retry-After is heeded at once."""
        self._failures_in_a_row += 1
        self.reason = reason
        self._retry_after = max(self._retry_after, retry_after or 0.0)

    async def share(self, connection: AsyncConnection[DictRow]) -> None:
        """Tell the other slices: open for all where it opened here, closed where the system has answered."""
        if self._is_told_to_stop:
            return
        if self._is_out:
            await database.rows(
                connection,
                "open_breaker",
                system=self.system,
                error=self.reason,
                retry_after_seconds=self._retry_after,
                base_seconds=BASE_SECONDS,
                maximum_seconds=MAXIMUM_SECONDS,
            )
        elif self._has_answered:
            await database.execute(connection, "close_breaker", system=self.system)
