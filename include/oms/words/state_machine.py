"""Where a request goes next: the moves of a request, as tables for all to read.

A request is QUEUED, then PROCESSING (held by a slice, later at Thunderhead), then at an end; docs/state-machine.md
draws it. ``MOVES`` says where a try at a stage leads, ``RETRIGGERS`` where an operator's retrigger leads, ``STEPS``
what else moves a request. Workers look their move up here. The SQL of each move names the state that it expects, so
that a worker that lost its lease moves nothing: tests/integration/jobs/test_state_machine.py runs every statement that
moves a request on a request at every place, and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import NamedTuple

from include.oms.words.failure_rules import is_transient
from include.oms.words.model import Category, Stage, Status


class Place(NamedTuple):
    """Where a request stands."""

    status: Status
    stage: Stage


class Outcome(StrEnum):
    """What one try at one stage came to."""

    SUBMITTED = auto()  # Thunderhead has it, and its id is known
    UNAVAILABLE = auto()  # an outside system is down; the call had no effect
    UNSURE = auto()  # a submit may have had its effect
    GENERATING = auto()  # Thunderhead is still generating it
    COMPLETED = auto()  # the document exists
    STOPPED = auto()  # somebody stopped the batch inside Thunderhead
    FAILED_TRANSIENT = auto()  # its own failure; another attempt may help
    FAILED_PERMANENT = auto()  # its own failure, or its last attempt


class Wait(StrEnum):
    """What the request waits for before it moves again."""

    NOTHING = auto()
    OUTAGE = auto()  # Retry-After, or the breaker
    SETTLING = auto()  # until a look-up by name is safe
    NEXT_POLL = auto()
    BACKOFF = auto()


@dataclass(frozen=True)
class Move:
    """A request's next status and stage, what it waits for, and whether it spends an attempt."""

    status: Status
    stage: Stage
    wait: Wait = Wait.NOTHING
    spends_attempt: bool = False

    @property
    def place(self) -> Place:
        """Where the request then stands."""
        return Place(self.status, self.stage)


_E, _S, _G, _M = Stage.ENRICHMENT, Stage.SUBMISSION, Stage.GENERATION, Stage.MONITORING
_QUEUED, _PROCESSING = Status.QUEUED, Status.PROCESSING
_OF_PROCESSING = (_E, _S, _G)  # stages at which document_processing has a request; GENERATION: for a new attempt

MOVES: dict[tuple[Stage, Outcome], Move] = {
    # document_processing
    (_E, Outcome.UNAVAILABLE): Move(_QUEUED, _E, Wait.OUTAGE),
    (_E, Outcome.FAILED_TRANSIENT): Move(_QUEUED, _E, Wait.BACKOFF, spends_attempt=True),
    (_E, Outcome.FAILED_PERMANENT): Move(Status.FAILED, _E, spends_attempt=True),
    (_S, Outcome.SUBMITTED): Move(_PROCESSING, _G, Wait.NEXT_POLL),
    (_S, Outcome.UNAVAILABLE): Move(_QUEUED, _S, Wait.OUTAGE),
    (_S, Outcome.UNSURE): Move(_QUEUED, _S, Wait.SETTLING),
    (_S, Outcome.FAILED_TRANSIENT): Move(_QUEUED, _S, Wait.BACKOFF, spends_attempt=True),
    (_S, Outcome.FAILED_PERMANENT): Move(Status.FAILED, _S, spends_attempt=True),
    # document_monitoring
    (_G, Outcome.GENERATING): Move(_PROCESSING, _G, Wait.NEXT_POLL),
    (_G, Outcome.UNAVAILABLE): Move(_PROCESSING, _G, Wait.NEXT_POLL),
    (_G, Outcome.COMPLETED): Move(Status.COMPLETED, _G),
    (_G, Outcome.STOPPED): Move(Status.STOPPED, _G),
    (_G, Outcome.FAILED_TRANSIENT): Move(_QUEUED, _G, Wait.BACKOFF, spends_attempt=True),
    (_G, Outcome.FAILED_PERMANENT): Move(Status.FAILED, _G, spends_attempt=True),
    (_M, Outcome.FAILED_PERMANENT): Move(Status.FAILED, _M),
}

RETRIGGERS: dict[Stage, Move] = {
    # A new attempt, with a new Thunderhead batch.
    _E: Move(_QUEUED, _E),
    _S: Move(_QUEUED, _S),
    _G: Move(_QUEUED, _G),
    # The batch is still there: only ask again.
    _M: Move(_PROCESSING, _G, Wait.NEXT_POLL),
}


class Step(StrEnum):
    """A move of a request that is not the outcome of a try."""

    CLAIMED = auto()  # a run, or an operator's clear, leases it to a worker
    TAKEN_OVER = auto()  # its worker died
    INTENT_WRITTEN = auto()  # its submit is about to begin
    WITHDRAWN = auto()  # by its client, or an operator for it
    ADOPTED = auto()  # after a restore: Thunderhead has a batch of it that the back-up does not know


ACCEPTED = Place(_QUEUED, _E)  # where every request begins

STEPS: dict[Step, dict[Place, Place]] = {
    Step.CLAIMED: {Place(_QUEUED, stage): Place(_PROCESSING, stage) for stage in _OF_PROCESSING},
    Step.TAKEN_OVER: {Place(_PROCESSING, stage): Place(_PROCESSING, stage) for stage in _OF_PROCESSING},
    Step.INTENT_WRITTEN: {Place(_PROCESSING, stage): Place(_PROCESSING, _S) for stage in _OF_PROCESSING},
    Step.WITHDRAWN: {Place(_QUEUED, stage): Place(Status.STOPPED, stage) for stage in _OF_PROCESSING},
    Step.ADOPTED: {
        Place(status, stage): Place(_PROCESSING, _G)
        for status in (_QUEUED, _PROCESSING, Status.FAILED, Status.STOPPED)
        for stage in Stage
    },
}


def own_failure(stage: Stage, category: Category | str, *, spent: int, max_attempts: int) -> Outcome:
    """Whether a request's own failure leaves it another attempt.

    ``spent`` counts the attempts spent before this one. The last attempt's failure is permanent, whatever
    its category.
    """
    if is_transient(stage, category) and spent + 1 < max_attempts:
        return Outcome.FAILED_TRANSIENT
    return Outcome.FAILED_PERMANENT
