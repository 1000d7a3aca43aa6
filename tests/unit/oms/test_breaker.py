"""The rules of the circuit breaker and of the found limits: tables, without a database and without a clock."""

from __future__ import annotations

import random

import pytest

from include.oms.outside.adaptive_limit import InFlightLimit, RateState, rate_booked
from include.oms.outside.breaker import (
    BASE_SECONDS,
    FAILURES_THAT_OPEN,
    MAXIMUM_SECONDS,
    Booking,
    BreakerState,
    Failures,
    booked,
    with_probe_given,
)

NOW = 1000.0


@pytest.mark.parametrize(
    ("booking", "opens"),
    [
        (Booking(answered=10), False),
        (Booking(failed=FAILURES_THAT_OPEN - 1, failures=FAILURES_THAT_OPEN - 1), False),
        (Booking(failed=FAILURES_THAT_OPEN, failures=FAILURES_THAT_OPEN), True),
        (Booking(answered=20, failed=20), False),  # half fail, and others are answered meanwhile
        (Booking(answered=10, failed=50), True),  # most fail
        (Booking(answered=3, failed=20), False),  # too few to tell
    ],
)
def test_it_opens_on_an_outage_and_on_nothing_less(booking: Booking, opens: bool) -> None:
    assert booked(BreakerState(), booking, NOW).is_open(NOW) == opens


@pytest.mark.parametrize("share", [0.13, 0.22, 0.4])
def test_rain_never_opens_it(share: float) -> None:
    chance, state = random.Random(1), BreakerState()
    for _ in range(3000):
        failed = sum(chance.random() < share for _ in range(5))
        state = booked(state, Booking(answered=5 - failed, failed=failed), NOW)
        assert state.open_until is None


def test_its_pauses_grow_and_a_retry_after_is_followed() -> None:
    state, pauses = BreakerState(), []
    outage = Booking(failed=FAILURES_THAT_OPEN, failures=FAILURES_THAT_OPEN)
    for _ in range(8):
        state = booked(state, outage if state.open_until is None else Booking(probe_answered=False), NOW)
        assert state.open_until is not None
        pauses.append(state.open_until - NOW)
    assert pauses == [min(BASE_SECONDS * 2**n, MAXIMUM_SECONDS) for n in range(8)]
    asked = booked(BreakerState(), Booking(failures=FAILURES_THAT_OPEN, failed=10, retry_after=500), NOW)
    assert asked.open_until == NOW + 500


def test_a_probe_is_one_and_closes_it() -> None:
    state = BreakerState(open_until=NOW - 1, opened=3)
    assert state.is_half_open(NOW)
    given = with_probe_given(state, NOW, 20)
    assert not given.is_half_open(NOW)
    assert given.is_open(NOW)
    closed = booked(given, Booking(answered=1, probe_answered=True), NOW)
    assert (closed.open_until, closed.opened) == (None, 3), "not proven yet"
    assert booked(closed, Booking(answered=20), NOW).opened == 0


def test_a_failure_counts_only_where_nothing_was_answered_since_its_call_began() -> None:
    failures = Failures()
    for began_at in (1.0, 2.0, 3.0):
        failures.failed(began_at, "no answer", None)
    failures.answered_at(2.5)
    assert failures.number == 1


def test_in_flight_doubles_until_something_is_refused() -> None:
    limit = InFlightLimit(64)
    for _ in range(12):
        limit.answered(1.0, pressed=True)
    assert limit.limit == 16
    limit.refused(began_at=1.0, now=2.0)
    assert limit.limit == 13
    limit.refused(began_at=1.5, now=2.1)
    assert limit.limit == 13, "it was on its way"
    limit.answered(2.5, pressed=True)
    assert limit.limit == 13
    limit.answered(3.5, pressed=True)
    assert limit.limit == 14


def test_the_rate_is_what_got_through_and_grows_faster_the_longer_nothing_is_refused() -> None:
    state = rate_booked(RateState(), 0, NOW, is_too_fast=False)
    state = rate_booked(state, 100, NOW + 1, is_too_fast=False)
    state = rate_booked(state, 0, NOW + 1.1, is_too_fast=True)
    assert state.per_second == pytest.approx(95)
    grown = []
    for second in range(2, 6):
        state = rate_booked(state, round(state.per_second or 0), NOW + 0.2 + second, is_too_fast=False)
        grown.append(round(state.per_second or 0))
    assert grown == [96, 98, 102, 110]


def test_after_a_while_without_a_refusal_there_is_no_limit() -> None:
    state = RateState(per_second=50, limited_at=NOW, grown_at=NOW)
    assert rate_booked(state, 1, NOW + 601, is_too_fast=False).per_second is None
