"""Adaptive limits: how many calls an outside system can bear, in flight for each caller and a second for all callers.

Additive increase, multiplicative decrease. A refusal (429) or a very slow answer makes a limit smaller; time without
one makes it larger, faster and faster. These are the rules, without database and clock; `door.py` applies them.
Sources: V. Jacobson, *Congestion Avoidance and Control* (1988); Netflix's concurrency-limits.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

START_IN_FLIGHT = 4  # doubles with every round of answers, until something is refused
FAST_START_IN_FLIGHT = 16  # above it, a quarter more with every round: all in flight at a refusal are refused
ANSWERS_TO_GROW = 4
SHRINK_IN_FLIGHT = 0.85
GROW_EVERY_SECONDS = 1.0
REFUSALS_THAT_PAUSE = 3  # in a row: the system takes nothing more for the rest of its second
PAUSE_SECONDS = 0.5  # or what Retry-After asks for, where that is less
SHRINK_RATE = 0.95  # of the calls a second that were answered
FIRST_GROWTH = 0.01  # share of the rate that is added each second; doubles each second
MOST_GROWTH = 0.5
PRESSED = 0.7  # share of the rate that must be used before it grows
WINDOW_SECONDS = 1.0
FORGET_SECONDS = 600.0


class InFlightLimit:
    """How many calls one caller has in flight at most. Times are by its monotonic clock."""

    def __init__(self, most: int) -> None:
        self.limit = min(START_IN_FLIGHT, most)
        self._most = most
        self._is_starting = True
        self._step = 1
        self._answers = 0
        self._changed_at = 0.0

    def answered(self, now: float, *, pressed: bool) -> None:
        """Count an answered call. ``pressed``: the limit was fully used."""
        if not pressed or self.limit >= self._most:
            return
        if self._is_starting:
            self._answers += 1
            if self.limit < FAST_START_IN_FLIGHT or self._answers % ANSWERS_TO_GROW == 0:
                self.limit += 1
        elif now - self._changed_at >= GROW_EVERY_SECONDS:
            self.limit = min(self.limit + self._step, self._most)
            self._step *= 2
            self._changed_at = now

    def refused(self, began_at: float, now: float) -> None:
        """Count a refused call. Calls that began before the limit shrank do not shrink it again."""
        if began_at < self._changed_at and not self._is_starting:
            return
        self.limit = max(1, int(self.limit * SHRINK_IN_FLIGHT))
        self._is_starting, self._step, self._changed_at = False, 1, now

    def start_again(self) -> None:
        """Start again after failures: one call, then two, as at the start."""
        self.limit, self._is_starting, self._step = 1, True, 1


@dataclass(frozen=True)
class RateState:
    """The found rate that all callers share; None: none was found. Times are by the database's clock."""

    per_second: float | None = None
    growth: float = FIRST_GROWTH
    limited_at: float | None = None
    grown_at: float | None = None
    window_began_at: float | None = None
    answered_in_window: int = 0
    answered_per_second: float | None = None  # in the last whole window
    answered_before: float | None = None  # in the one before it


def rate_booked(state: RateState, answered: int, now: float, *, is_too_fast: bool) -> RateState:
    """The state after ``answered`` more calls got through. ``is_too_fast``: one was refused, or very slow."""
    state = _windowed(state, answered, now)
    if is_too_fast:
        if state.limited_at is not None and now - state.limited_at < GROW_EVERY_SECONDS:
            return state  # refusals within one second count once
        borne = _borne(state, now)
        if borne is None:
            return state
        found = max(1.0, SHRINK_RATE * min(borne, state.per_second or borne))
        return replace(state, per_second=found, growth=FIRST_GROWTH, limited_at=now, grown_at=now)
    if state.per_second is None:
        return state
    if state.limited_at is not None and now - state.limited_at > FORGET_SECONDS:
        return replace(state, per_second=None)
    if (
        now - (state.grown_at or 0.0) < GROW_EVERY_SECONDS
        or (state.answered_per_second or 0) < PRESSED * state.per_second
    ):
        return state
    return replace(
        state, per_second=state.per_second * (1 + state.growth), growth=min(state.growth * 2, MOST_GROWTH), grown_at=now
    )


def _windowed(state: RateState, answered: int, now: float) -> RateState:
    """Count the calls, and start a new window after a second."""
    if state.window_began_at is None or now - state.window_began_at > 3 * WINDOW_SECONDS:
        return replace(
            state,
            window_began_at=now,
            answered_in_window=answered,
            answered_per_second=None,
            answered_before=state.answered_per_second or state.answered_before,
        )
    counted = state.answered_in_window + answered
    elapsed = now - state.window_began_at
    if elapsed < WINDOW_SECONDS:
        return replace(state, answered_in_window=counted)
    return replace(
        state,
        window_began_at=now,
        answered_in_window=0,
        answered_per_second=counted / elapsed,
        answered_before=state.answered_per_second,
    )


def _borne(state: RateState, now: float) -> float | None:
    """Calls answered a second: the highest of the last windows and the running one. None: not known yet."""
    elapsed = now - (state.window_began_at or now)
    running = state.answered_in_window / elapsed if elapsed >= WINDOW_SECONDS else 0.0
    return max(state.answered_per_second or 0.0, state.answered_before or 0.0, running) or None
