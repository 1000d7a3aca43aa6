"""The one door to an outside system: every call goes through it, and no caller knows that there is a circuit breaker.

A call waits for its turn (calls in flight, the set rate, the found rate), is made once, and is booked as answered,
refused or failed. The state that all callers share is in the table `outside_systems`; see
docs/decisions/0015-one-door-to-each-outside-system.md.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from math import inf
from time import monotonic
from typing import Any, TypeVar

import aiohttp
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.base.settings import Settings
from include.oms.outside.adaptive_limit import PAUSE_SECONDS, REFUSALS_THAT_PAUSE, InFlightLimit
from include.oms.outside.breaker import FAILURES_THAT_OPEN, Booking, Failures
from include.oms.outside.rate_limit import EVERY_TYPE, Met, Places, Shared, take_places, tell
from include.oms.outside.transport import Answer, Transport
from include.oms.words.errors import (
    Closed,
    Limited,
    NotConfigured,
    NotInTime,
    OmsError,
    OutcomeUnknown,
    Rejected,
    Unavailable,
)
from include.oms.words.model import Category

T = TypeVar("T")

TELL_SECONDS = 0.5  # between two statements that report results
TELL_NEWS_SECONDS = 0.1  # the same after a refused call
RETRY_AFTER_MAX_SECONDS = 3600.0  # longest wait that a Retry-After is followed for
FAILURES_THAT_SLOW = 5  # in a row: one call at a time, until one is answered
LOOK_SECONDS = 0.5  # between two checks for changes of a call that waits for its place


class Door:
    """One caller's door to one system. ``connection`` must not be used by anybody else."""

    def __init__(
        self, system: str, transport: Transport, connection: AsyncConnection[DictRow], settings: Settings
    ) -> None:
        self.system = system
        self.until = inf  # by time.monotonic: no call waits longer for its turn
        self.heeds_pause = True
        self._transport = transport
        self._connection = connection
        self._settings = settings
        self._room = _Room(InFlightLimit(settings.concurrency))
        self._lines: dict[tuple[str, str | None], _Line] = defaultdict(_Line)
        self._failures = Failures()
        self._shared: Shared | None = None
        self._telling = asyncio.Lock()
        self._told_at = -inf
        self._probe_is_out = False
        self._resumes_at = 0.0
        self._refused_in_a_row = 0
        self._in_flight = 0  # made, and not answered yet
        self._forget_met()

    async def call(
        self,
        method: str,
        path: str,
        *,
        read: Callable[[Answer], T],
        timeout_seconds: float,
        max_bytes: int | None = None,
        json: Any = None,
        params: Mapping[str, str] | None = None,
        document_type: str = EVERY_TYPE,
        source_system: str | None = None,
        has_effect: bool = False,
        before: Callable[[], None] = lambda: None,
    ) -> T:
        """Make one call when it is its turn, once, and return what ``read`` makes of the answer.

        ``read`` raises Rejected, Limited, Unavailable or OutcomeUnknown where the answer is no good. ``has_effect``: a
        call that gets no answer may have had its effect. ``before`` is called just before the call; what it
        raises stops the call, and counts as no failure.

        Raises what ``read`` and ``before`` raise; Closed where the system is paused or out, NotInTime where the turn
        would come too late; Unavailable or, with ``has_effect``, OutcomeUnknown where there is no answer.
        """
        is_probe = await self._may_call(document_type)
        try:
            await self._room.enter(self.until)
            try:
                await self._wait_in_line(document_type, source_system)
                if not is_probe:
                    self._is_still_open()
                before()
                return await self._make(
                    method,
                    path,
                    read,
                    timeout_seconds,
                    max_bytes,
                    json,
                    params,
                    has_effect=has_effect,
                    is_probe=is_probe,
                )
            finally:
                self._room.leave()
        finally:
            if is_probe:
                self._probe_is_out = False
                await self._tell()  # callers that wait for the result learn it at once

    async def tell(self) -> None:
        """Report the results that are not reported yet. To be called at the end of the work."""
        if self._has_met_anything:
            await self._tell()

    @property
    def why_closed(self) -> str | None:
        """The reason why no call is made now, by the last known state; None if calls are made."""
        known = self._shared
        if known is None:
            return None
        if known.why_paused and self.heeds_pause:
            return known.why_paused
        return f"{self.system} is out: {known.reason}" if known.open_seconds is not None else None

    @property
    def is_paused(self) -> bool:
        """Whether the system is paused, by the last known state."""
        return self._shared is not None and self._shared.why_paused is not None and self.heeds_pause

    @property
    def closed_for(self) -> float | None:
        """Seconds until a call may be made. 0: one probe now; infinity: paused; None: calls are made."""
        if self.is_paused:
            return inf
        if self._shared is None or self._shared.open_seconds is None:
            return None
        return max(self._shared.open_seconds - self._age, 0.0)

    async def look(self) -> None:
        """Refresh the known state if it is older than ``TELL_SECONDS``. For a caller that waits."""
        if self._age >= TELL_SECONDS:
            await self._tell()

    async def _may_call(self, document_type: str) -> bool:
        """Whether this call is the one probe of an open breaker. Raises Closed where no call may be made."""
        shared = await self._up_to_date()
        if self.heeds_pause and (shared.why_paused or shared.document_types.get(document_type)):
            raise Closed(shared.why_paused or f"{self.system} is paused for {document_type}")
        if shared.open_seconds is None:
            return False
        if shared.open_seconds <= self._age and not self._probe_is_out:
            self._probe_is_out = True
            try:
                shared = await self._tell(wants_probe=True)
            except BaseException:
                self._probe_is_out = False
                raise
            if shared.has_probe or shared.open_seconds is None:
                self._probe_is_out = shared.has_probe
                return shared.has_probe
            self._probe_is_out = False
        raise self._closed(shared)

    def _is_still_open(self) -> None:
        """Check again after the wait. Raises Closed if the system was found to be out meanwhile."""
        shared = self._shared
        if shared is not None and (shared.open_seconds is not None or (self.heeds_pause and shared.why_paused)):
            raise self._closed(shared)
        if self._failures.number >= FAILURES_THAT_OPEN:
            raise Closed(f"{self.system} may be out: {self._failures.reason}", retry_after=TELL_NEWS_SECONDS)

    def _closed(self, shared: Shared) -> Closed:
        if shared.why_paused and self.heeds_pause:
            return Closed(shared.why_paused)
        left = max((shared.open_seconds or 0.0) - self._age, TELL_NEWS_SECONDS)
        if self._probe_is_out:
            left = min(left, TELL_SECONDS)  # the probe may be answered at any moment
        return Closed(f"{self.system} is out: {shared.reason}", retry_after=left)

    @property
    def _age(self) -> float:
        """Age of the known state, in seconds."""
        return monotonic() - self._told_at

    async def _up_to_date(self) -> Shared:
        """Return the shared state. One call refreshes a state that is too old; the others use the old one meanwhile."""
        if self._shared is None or self._failures.number >= FAILURES_THAT_OPEN:
            async with self._telling:
                if self._shared is None or self._failures.number >= FAILURES_THAT_OPEN:
                    return await self._tell_now()
                return self._shared
        limit = TELL_NEWS_SECONDS if self._is_too_fast else TELL_SECONDS
        if self._age >= limit and not self._telling.locked():
            return await self._tell()
        return self._shared

    async def _tell(self, *, wants_probe: bool = False) -> Shared:
        async with self._telling:
            return await self._tell_now(wants_probe=wants_probe)

    async def _tell_now(self, *, wants_probe: bool = False) -> Shared:
        failures = self._failures
        retry_after = failures.longest_retry_after if failures.number else self._retry_after
        booking = Booking(
            self._answered, self._failed, failures.number, retry_after, failures.reason, self._probe_answered
        )
        first = failures.latest[0].began_at if failures.number else monotonic()
        met = Met(
            booking, self._submits_answered, self._is_too_fast, monotonic() - first, wants_probe,
            probe_seconds=max(self._settings.submit_timeout_seconds, self._settings.poll_timeout_seconds) + 5,
        )  # fmt: skip
        self._forget_met()
        asked_at = monotonic()
        before, shared = self._shared, await tell(self._connection, self.system, met)
        self._shared, self._told_at = shared, asked_at
        if shared.open_seconds is not None:
            failures.clear()
        elif shared.answered_seconds_ago is not None:
            failures.answered_at(asked_at - shared.answered_seconds_ago)
        if before is not None and before.open_seconds is not None and shared.open_seconds is None:
            self._room.limit.start_again()
        return shared

    def _forget_met(self) -> None:
        self._answered = self._failed = 0
        self._retry_after = 0.0
        self._submits_answered = self._is_too_fast = False
        self._probe_answered: bool | None = None

    @property
    def _has_met_anything(self) -> bool:
        return bool(self._answered or self._failed or self._is_too_fast)

    async def _wait_in_line(self, document_type: str, source_system: str | None) -> None:
        """Wait for this call's turn by the rates, and until the system accepts calls again. Raises NotInTime."""
        while (seconds := self._resumes_at - monotonic()) > 0:  # noqa: ASYNC110 - a time, not a condition
            await asyncio.sleep(seconds)
        shared = self._shared
        if shared is None:
            return
        own_type = document_type if document_type in shared.document_types else EVERY_TYPE
        client = source_system if source_system in shared.source_systems else None
        if shared.per_second is None and own_type == EVERY_TYPE and client is None:
            return
        line = self._lines[own_type, client]
        async with line.turn(self.until):
            while (at := line.next_place()) is None:
                places = await take_places(
                    self._connection, self.system, document_type, source_system=client,
                    wanted=min(line.waiting, self._settings.concurrency),
                )  # fmt: skip
                if places is None:
                    return
                if places.number:
                    line.add(places)
                    continue
                if monotonic() + places.first_in > self.until:
                    raise NotInTime(f"the rate limit lets the next call of {self.system} go in {places.first_in:.0f} s")
                await asyncio.sleep(min(places.first_in, LOOK_SECONDS))
                await self._up_to_date()
                self._is_still_open()
            await asyncio.sleep(max(at - monotonic(), 0))

    async def _make(
        self,
        method: str,
        path: str,
        read: Callable[[Answer], T],
        timeout_seconds: float,
        max_bytes: int | None,
        json: Any,
        params: Mapping[str, str] | None,
        *,
        has_effect: bool,
        is_probe: bool,
    ) -> T:
        """Make the call and book its result."""
        began_at = monotonic()
        self._in_flight += 1
        pressed = self._in_flight >= self._room.limit.limit  # not by those that wait in line: the rate holds them up
        try:
            answer = await self._transport(
                method, path, timeout_seconds=timeout_seconds,
                max_bytes=max_bytes or MOST_ANSWER_BYTES, json=json, params=params,
            )  # fmt: skip
            value = read(answer)
        except (Rejected, NotConfigured):
            self._book_answer(began_at, timeout_seconds, pressed=pressed, has_effect=has_effect, is_probe=is_probe)
            raise
        except Limited as error:
            self._bound(error)
            self._book_refusal(error, began_at, pressed=pressed, is_probe=is_probe)
            raise
        except (Unavailable, OutcomeUnknown) as error:
            self._bound(error)
            self._book_failure(error, began_at, is_probe=is_probe)
            raise
        except (OmsError, MemoryError):
            raise
        except Exception as error:
            unanswered = _unanswered(error, has_effect=has_effect)
            self._book_failure(unanswered, began_at, is_probe=is_probe)
            raise unanswered from error
        finally:
            self._in_flight -= 1
        self._book_answer(began_at, timeout_seconds, pressed=pressed, has_effect=has_effect, is_probe=is_probe)
        return value

    def _bound(self, error: Unavailable | OutcomeUnknown) -> None:
        if error.retry_after is not None:
            error.retry_after = min(error.retry_after, RETRY_AFTER_MAX_SECONDS)

    def _book_answer(
        self, began_at: float, timeout_seconds: float, *, pressed: bool, has_effect: bool, is_probe: bool
    ) -> None:
        now = monotonic()
        self._answered += 1
        self._refused_in_a_row = 0
        self._submits_answered = self._submits_answered or has_effect
        self._failures.answered_at(now)
        if now - began_at > timeout_seconds / 3:
            self._is_too_fast = True
            self._room.limit.refused(began_at, now)
        else:
            self._room.limit.answered(now, pressed=pressed)
        if is_probe:
            self._probe_answered = True

    def _book_refusal(self, error: Limited, began_at: float, *, pressed: bool, is_probe: bool) -> None:
        """Book a refused call (429) against the limit it met: the calls in flight if those were full, else the rate."""
        now = monotonic()
        knows_rate = self._shared is not None and self._shared.per_second is not None
        if pressed or not knows_rate:
            self._room.limit.refused(began_at, now)
        if not pressed or not knows_rate:
            self._is_too_fast = True
        self._refused_in_a_row += 1
        if self._refused_in_a_row >= REFUSALS_THAT_PAUSE:
            self._refused_in_a_row = 0
            self._resumes_at = now + min(error.retry_after or 0.0, PAUSE_SECONDS)
        if is_probe:
            self._probe_answered = True

    def _book_failure(self, error: Unavailable | OutcomeUnknown, began_at: float, *, is_probe: bool) -> None:
        self._failed += 1
        self._retry_after = max(self._retry_after, error.retry_after or 0.0)
        self._failures.failed(began_at, str(error), error.retry_after)
        if self._failures.number >= FAILURES_THAT_SLOW:
            self._room.limit.start_again()
        if is_probe:
            self._probe_answered = False


class _Room:
    """The calls in flight: up to the found limit. The others wait in their order."""

    def __init__(self, limit: InFlightLimit) -> None:
        self.limit = limit
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_full(self) -> bool:
        return self._inside >= self.limit.limit

    async def enter(self, until: float) -> None:
        """Wait for room and take it. Raises NotInTime."""
        while self.is_full:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await _in_time(place, until)
            finally:
                with suppress(ValueError):
                    self._waiting.remove(place)
        self._inside += 1

    def leave(self) -> None:
        """Give the room back, and let in those who waited for it."""
        self._inside -= 1
        free = self.limit.limit - self._inside
        for place in list(self._waiting):
            if free <= 0:
                return
            if not place.done():
                place.set_result(None)
                free -= 1


class _Line:
    """Calls that wait for a place by a rate, and the places that were taken for them."""

    def __init__(self) -> None:
        self.waiting = 0
        self._turn = asyncio.Lock()
        self._places: deque[float] = deque()

    @asynccontextmanager
    async def turn(self, until: float) -> AsyncIterator[None]:
        """Wait for the turn: one caller at a time. Raises NotInTime."""
        self.waiting += 1
        try:
            await _in_time(self._turn.acquire(), until)
            try:
                yield
            finally:
                self._turn.release()
        finally:
            self.waiting -= 1

    def add(self, places: Places) -> None:
        now = monotonic()
        self._places.extend(now + places.first_in + n * places.gap for n in range(places.number))

    def next_place(self) -> float | None:
        return self._places.popleft() if self._places else None


async def _in_time(it: Any, until: float) -> None:
    """Wait for ``it`` until ``until`` at most. Raises NotInTime."""
    if until == inf:
        await it
        return
    try:
        await asyncio.wait_for(it, max(until - monotonic(), 0.001))
    except TimeoutError as error:
        raise NotInTime("the call's turn would come after the worker's time") from error


def _unanswered(error: Exception, *, has_effect: bool) -> Unavailable | OutcomeUnknown:
    """The error of a call without an answer. Its text may hold a secret, so only its name is kept."""
    is_late = isinstance(error, TimeoutError)
    reason = "no answer in time" if is_late else f"no answer: {type(error).__name__}"
    if not has_effect:
        return Unavailable(reason)
    if not isinstance(error, (TimeoutError, aiohttp.ClientError, OSError)):
        reason = f"the call could not be made: {type(error).__name__}"
    return OutcomeUnknown(reason, category=Category.TIMEOUT_ERROR if is_late else Category.INTERNAL_ERROR)
