"""The state of an outside system that all callers share, in the table `outside_systems`: pause, breaker, rates.

An operator sets a pause and the most calls a second in the console. The callers keep the rest (`breaker.py`,
`adaptive_limit.py`). To save statements, each caller reports its results a few times a second, and takes places for
a quarter of a second's calls at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.outside.adaptive_limit import RateState, rate_booked
from include.oms.outside.breaker import (
    FAILURES_THAT_OPEN,
    Booking,
    BreakerState,
    booked,
    with_probe_given,
)

EVERY_TYPE = "*"
AHEAD_SECONDS = 0.25  # places are taken this long ahead; those of a caller that dies are lost
CATCH_UP_SECONDS = 0.1  # lateness that the next calls make up for: an event loop wakes a little late


@dataclass(frozen=True)
class Health:
    """Whether an outside system may be called now; ``why_not`` is None if it may.

    ``per_second`` is the lower of the set and the found rate; None: no limit.
    """

    on_probation: bool
    why_not: str | None
    per_second: float | None


async def health_of(connection: AsyncConnection[DictRow], system: str) -> Health:
    """Whether ``system`` may be called now, and if not, why."""
    (row,) = await database.rows(connection, "breaker_state", system=system)
    why_not = None
    if row["paused"]:
        why_not = _paused_text(system, row)
    elif row["open"]:
        why_not = (
            f"{system} is out; the breaker is open for another {row['open_for_seconds']:.0f} s"
            f" ({row['last_error'] or 'no reason known'})"
        )
    return Health(row["on_probation"], why_not, row["per_second"])


@dataclass(frozen=True)
class Met:
    """The results of one caller since its last report, and whether it asks for the probe."""

    booking: Booking
    submits_answered: bool = False
    is_too_fast: bool = False
    failing_for_seconds: float = 0.0  # since the first of ``booking.failures`` began
    wants_probe: bool = False
    probe_seconds: float = 0.0  # how long a probe may take


@dataclass(frozen=True)
class Shared:
    """How an outside system may be called now, as all callers see it."""

    why_paused: str | None
    open_seconds: float | None  # None: closed; not positive: half open
    reason: str
    has_probe: bool  # this caller may make the one probe
    per_second: float | None
    answered_seconds_ago: float | None  # since anybody was answered
    document_types: Mapping[str, bool]  # those with their own limits or pause, and whether they are paused
    source_systems: Set[str]  # those with a rate of their own


async def tell(connection: AsyncConnection[DictRow], system: str, met: Met) -> Shared:
    """Report the results of one caller, and return the shared state with them."""
    async with connection.transaction():
        (row,) = await database.rows(connection, "lock_outside_system", system=system)
        now = float(row["now"])
        before = _breaker_of(row)
        breaker = booked(before, _seen_by_all(met, row["answered_at"], now), now)
        has_probe = met.wants_probe and breaker.is_half_open(now)
        if has_probe:
            breaker = with_probe_given(breaker, now, met.probe_seconds)
        rate = rate_booked(_rate_of(row), met.booking.answered, now, is_too_fast=met.is_too_fast)
        await database.rows(
            connection, "save_outside_system", system=system, failures=breaker.opened, last_error=breaker.reason,
            open_until=breaker.open_until, recent_answered=breaker.recent_answered, recent_failed=breaker.recent_failed,
            answered_at=now if met.booking.answered else None,
            submit_answered_at=now if met.submits_answered else None,
            bearable_per_second=rate.per_second, growth=rate.growth, limited_at=rate.limited_at, paced_at=rate.grown_at,
            window_began_at=rate.window_began_at, answered_in_window=rate.answered_in_window,
            answered_per_second=rate.answered_per_second, answered_before=rate.answered_before,
            is_over=before.open_until is not None and breaker.open_until is None,
        )  # fmt: skip
    answered_at = now if met.booking.answered else row["answered_at"]
    return Shared(
        why_paused=_paused_text(system, row) if row["paused"] else None,
        open_seconds=None if breaker.open_until is None else breaker.open_until - now,
        reason=breaker.reason or "",
        has_probe=has_probe,
        per_second=min((it for it in (row["most_per_second"], rate.per_second) if it is not None), default=None),
        answered_seconds_ago=None if answered_at is None else now - answered_at,
        document_types=row["document_types"],
        source_systems=frozenset(row["source_systems"]),
    )


class Places(NamedTuple):
    """Places: how many, when the first one is (seconds from now), and the seconds between two."""

    number: int
    first_in: float
    gap: float


async def take_places(
    connection: AsyncConnection[DictRow],
    system: str,
    document_type: str,
    *,
    wanted: int,
    source_system: str | None = None,
) -> Places | None:
    """Take the next places within ``AHEAD_SECONDS``, ``wanted`` at most; None if there is no rate limit."""
    found = await database.rows(
        connection, "take_places", system=system, document_type=document_type, source_system=source_system,
        wanted=wanted, ahead_seconds=AHEAD_SECONDS, catch_up_seconds=CATCH_UP_SECONDS,
    )  # fmt: skip
    return Places(found[0]["number"], found[0]["first_in"], found[0]["gap"]) if found else None


def _seen_by_all(met: Met, answered_at: float | None, now: float) -> Booking:
    """The booking, without failures that an answer to another caller contradicts."""
    booking = met.booking
    contradicted = answered_at is not None and answered_at > now - met.failing_for_seconds
    if booking.failures >= FAILURES_THAT_OPEN and contradicted:
        return Booking(booking.answered, booking.failed, 0, booking.retry_after, booking.reason, booking.probe_answered)
    return booking


def _breaker_of(row: DictRow) -> BreakerState:
    return BreakerState(
        row["open_until"], row["failures"], row["recent_answered"], row["recent_failed"], row["last_error"]
    )


def _rate_of(row: DictRow) -> RateState:
    return RateState(
        row["bearable_per_second"], row["growth"], row["limited_at"], row["paced_at"], row["window_began_at"],
        row["answered_in_window"], row["answered_per_second"], row["answered_before"],
    )  # fmt: skip


def _paused_text(system: str, row: DictRow) -> str:
    return f"{system} is paused by {row['paused_by']}: {row['paused_why'] or 'no reason given'}"
