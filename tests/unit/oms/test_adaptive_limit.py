"""What is found out about an outside system's limits. Rules alone: times are arguments."""

from __future__ import annotations

from include.oms.outside.adaptive_limit import (
    FAST_START_IN_FLIGHT,
    SHRINK_RATE,
    InFlightLimit,
    RateState,
    rate_booked,
)


def test_calls_in_flight_double_at_first_and_grow_slower_later() -> None:
    limit = InFlightLimit(64)
    for _ in range(FAST_START_IN_FLIGHT - 4):
        limit.answered(0.0, pressed=True)
    assert limit.limit == FAST_START_IN_FLIGHT
    for _ in range(FAST_START_IN_FLIGHT):
        limit.answered(0.0, pressed=True)
    assert limit.limit == FAST_START_IN_FLIGHT * 5 / 4


def test_calls_that_were_on_their_way_shrink_the_limit_once() -> None:
    limit = InFlightLimit(64)
    limit.refused(began_at=0.9, now=1.0)
    shrunk = limit.limit
    limit.refused(began_at=0.95, now=1.1)
    assert limit.limit == shrunk


def test_a_refusal_tells_no_rate_before_a_second_is_known() -> None:
    state = rate_booked(RateState(), 100, 10.0, is_too_fast=False)
    assert rate_booked(state, 20, 10.5, is_too_fast=True).per_second is None
    known = rate_booked(state, 20, 11.0, is_too_fast=True)
    assert known.per_second == SHRINK_RATE * 120


def test_a_refusal_never_makes_the_rate_larger() -> None:
    state = RateState(per_second=50.0, limited_at=0.0, grown_at=0.0, window_began_at=99.5, answered_per_second=80.0)
    assert rate_booked(state, 0, 100.0, is_too_fast=True).per_second == SHRINK_RATE * 50


def test_a_rate_that_is_not_used_does_not_grow() -> None:
    state = RateState(per_second=50.0, limited_at=90.0, grown_at=90.0, window_began_at=99.5, answered_per_second=10.0)
    assert rate_booked(state, 0, 100.0, is_too_fast=False).per_second == 50.0
