"""The refusals of the intake: one class for each decision that a caller takes, each an entry of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

import msgspec

from include.oms.words.problems import PROBLEMS
from include.oms.words.refusals import ComeAgain, Refusal

MOST_FAULTS = 100
"""Faults told in one answer: what a person can work through. A hostile call could hold a hundred thousand."""

LONGEST_RETRY_AFTER_SECONDS = 60
"""The longest wait that a client is asked for: an outage or a pause may end at any time."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong, and its place: a JSON Pointer, ``?parameter`` or a header's name."""

    pointer: str
    detail: str


class Malformed(Refusal):
    """The body is not JSON."""

    problem = PROBLEMS["malformed-json"]


class Invalid(Refusal):
    """The body or a parameter breaks rules; every one of them is told."""

    problem = PROBLEMS["invalid-request"]

    def __init__(self, faults: Sequence[Fault]) -> None:
        distinct = list(dict.fromkeys(faults))
        if len(distinct) < MOST_FAULTS:
            told = f"{len(distinct)} {'fault' if len(distinct) == 1 else 'faults'}; errors lists them"
        else:
            told = f"{MOST_FAULTS} faults or more; errors lists the first {MOST_FAULTS}"
        super().__init__(told)
        self.faults = distinct[:MOST_FAULTS]

    def members(self) -> Mapping[str, Any]:
        return {"errors": self.faults}


class TooWide(Refusal):
    """A query would have to look at more than it may; ``errors`` says how to narrow it."""

    problem = PROBLEMS["too-wide"]

    def __init__(self, detail: str, narrowed_by: Sequence[Fault]) -> None:
        super().__init__(detail)
        self.narrowed_by = narrowed_by

    def members(self) -> Mapping[str, Any]:
        return {"errors": self.narrowed_by}


class TooManyCalls(ComeAgain):
    """The source system has as many calls in flight as it may have."""

    problem = PROBLEMS["too-many-calls"]
    retry_after_seconds = 1


class QuotaExceeded(ComeAgain):
    """The source system has used up one of its quotas."""

    problem = PROBLEMS["quota-exceeded"]

    def __init__(self, quota: str, limit: int, used: int, retry_after_seconds: int) -> None:
        super().__init__(f"{used} of {limit} are used of the quota {quota}")
        self.quota, self.limit, self.used = quota, limit, used
        self.retry_after_seconds = retry_after_seconds

    def members(self) -> Mapping[str, Any]:
        return {"quota": self.quota, "limit": self.limit, "used": self.used}


class UnknownSourceSystem(Refusal):
    """The token's source system may not ask for documents."""

    problem = PROBLEMS["unknown-source-system"]


class TooMany(Refusal):
    """A bulk call holds too many requests."""

    problem = PROBLEMS["too-large"]


class NotFound(Refusal):
    """There is no such request, for this source system."""

    problem = PROBLEMS["not-found"]


class StateConflict(Refusal):
    """The request's present state does not allow this. The answer shows the state."""

    def __init__(self, detail: str, request: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.request = request

    def members(self) -> Mapping[str, Any]:
        return {"request": self.request}


class CorrelationIdUsed(StateConflict):
    """The correlation id was used before, with another content."""

    problem = PROBLEMS["correlation-id-used"]


class TooLateToCancel(StateConflict):
    """A job has the request, or it has ended."""

    problem = PROBLEMS["too-late-to-cancel"]


class RunConflict(Refusal):
    """The run's present state does not allow this. The answer shows the state."""

    def __init__(self, detail: str, run: Mapping[str, Any]) -> None:
        super().__init__(detail)
        self.run = run

    def members(self) -> Mapping[str, Any]:
        return {"run": self.run}


class RunNameUsed(RunConflict):
    """The name was used before, for a run with other values."""

    problem = PROBLEMS["run-name-used"]


class RunDoesNotAddUp(RunConflict):
    """More or fewer requests have joined the run than its client expects."""

    problem = PROBLEMS["run-does-not-add-up"]


class RunNotOpen(Refusal):
    """A request names a run that is closed, or that this source system does not have."""

    problem = PROBLEMS["run-not-open"]


class OwnRun(Refusal):
    """The client that opened a run must not release it."""

    problem = PROBLEMS["own-run"]


class MatchesAll(Refusal):
    """The filter of an action matches everything, and that is not confirmed."""

    problem = PROBLEMS["matches-all"]


class NoEventYet(StateConflict):
    """The request has not ended, so it has no event."""

    problem = PROBLEMS["no-event-yet"]


class DocumentNotReady(StateConflict):
    """The request has no document: it has not ended, or not COMPLETED."""

    problem = PROBLEMS["document-not-ready"]


class Erased(Refusal):
    """The request is past its retention: it has neither content nor document any more."""

    problem = PROBLEMS["erased"]


class DocumentUnusable(Refusal):
    """Thunderhead answers, but not with the whole document."""

    problem = PROBLEMS["document-unusable"]


class ThunderheadOutOfReach(ComeAgain):
    """Thunderhead is out, paused or busy. ``asked_seconds``: the wait that it asks for; None if it names none."""

    problem = PROBLEMS["thunderhead-unavailable"]

    def __init__(self, detail: str, asked_seconds: float | None = None) -> None:
        super().__init__(detail)
        if asked_seconds is not None:
            self.retry_after_seconds = max(ceil(min(asked_seconds, LONGEST_RETRY_AFTER_SECONDS)), 1)


class DatabaseOutOfReach(ComeAgain):
    """The OMS Database does not answer in time."""

    problem = PROBLEMS["database-unavailable"]


class StatementTimedOut(DatabaseOutOfReach):
    """The OMS Database answers, and ended a statement at its time-out."""


class ReferenceDataOutOfReach(ComeAgain):
    """The reference data is out of reach, and the cached values are too old."""

    problem = PROBLEMS["reference-data-unavailable"]
