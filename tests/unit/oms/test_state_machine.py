"""The tables of the state machine: they lead every request to an end, and cost what they should."""

from __future__ import annotations

import pytest

from include.oms.words.model import ENDS, RED_ENDS, Category, Stage, Status
from include.oms.words.state_machine import (
    ACCEPTED,
    MOVES,
    RETRIGGERS,
    STEPS,
    Move,
    Outcome,
    Place,
    Step,
    Wait,
    own_failure,
)

OWN_FAILURES = {Outcome.FAILED_TRANSIENT, Outcome.FAILED_PERMANENT}


def next_places(place: Place) -> set[Place]:
    """Wherever a request can go from a place."""
    steps = {table[place] for table in STEPS.values() if place in table}
    if place.status is Status.PROCESSING:  # any stage can be tried again before the one that it stands at
        return steps | {move.place for move in MOVES.values()}
    if place.status in RED_ENDS:
        return steps | {RETRIGGERS[place.stage].place}
    return steps


def reachable(start: Place) -> set[Place]:
    """Wherever a request can get from a place, however long it takes."""
    found: set[Place] = set()
    new = {start}
    while new:
        found |= new
        new = {place for known in new for place in next_places(known)} - found
    return found


def test_every_table_starts_where_a_request_can_stand() -> None:
    there = reachable(ACCEPTED)
    assert {place for step in (Step.CLAIMED, Step.TAKEN_OVER, Step.WITHDRAWN) for place in STEPS[step]} <= there
    assert {Place(Status.FAILED, stage) for stage in RETRIGGERS} <= there


@pytest.mark.parametrize("place", sorted(reachable(ACCEPTED)))
def test_from_everywhere_there_is_a_way_to_a_completed_document(place: Place) -> None:
    assert Place(Status.COMPLETED, Stage.GENERATION) in reachable(place)


def test_a_completed_request_stays_so() -> None:
    assert next_places(Place(Status.COMPLETED, Stage.GENERATION)) == set()


@pytest.mark.parametrize(("key", "move"), MOVES.items())
def test_only_a_request_s_own_failure_spends_an_attempt(key: tuple[Stage, Outcome], move: Move) -> None:
    stage, outcome = key
    assert move.spends_attempt == (outcome in OWN_FAILURES and stage is not Stage.MONITORING)


@pytest.mark.parametrize(("key", "move"), MOVES.items())
def test_a_transient_failure_comes_back_and_a_permanent_one_ends(key: tuple[Stage, Outcome], move: Move) -> None:
    stage, outcome = key
    if outcome is Outcome.FAILED_TRANSIENT:
        assert move == Move(Status.QUEUED, stage, Wait.BACKOFF, spends_attempt=True)
    if outcome is Outcome.FAILED_PERMANENT:
        assert move.place == (Status.FAILED, stage)


@pytest.mark.parametrize("move", MOVES.values())
def test_what_has_ended_waits_for_nothing_and_what_has_not_waits(move: Move) -> None:
    assert (move.status in ENDS) == (move.wait is Wait.NOTHING)


def test_a_retrigger_is_known_for_every_stage_and_no_stage_is_tried_twice_the_same_way() -> None:
    assert set(RETRIGGERS) == set(Stage)
    assert RETRIGGERS[Stage.MONITORING].status is Status.PROCESSING, "the batch is there: it is only asked about again"
    assert {move.status for stage, move in RETRIGGERS.items() if stage is not Stage.MONITORING} == {Status.QUEUED}


@pytest.mark.parametrize(
    ("stage", "category", "spent", "outcome"),
    [
        (Stage.GENERATION, Category.PROCESSING_ERROR, 0, Outcome.FAILED_TRANSIENT),
        (Stage.GENERATION, Category.PROCESSING_ERROR, 3, Outcome.FAILED_TRANSIENT),
        (Stage.GENERATION, Category.PROCESSING_ERROR, 4, Outcome.FAILED_PERMANENT),
        (Stage.GENERATION, Category.PROCESSING_ERROR, 40, Outcome.FAILED_PERMANENT),
        (Stage.GENERATION, Category.VALIDATION_ERROR, 0, Outcome.FAILED_PERMANENT),
        (Stage.GENERATION, "NEVER_HEARD_OF", 0, Outcome.FAILED_TRANSIENT),
        (Stage.SUBMISSION, Category.VALIDATION_ERROR, 0, Outcome.FAILED_PERMANENT),
        (Stage.ENRICHMENT, Category.CONFIGURATION_ERROR, 0, Outcome.FAILED_PERMANENT),
    ],
)
def test_an_own_failure_has_another_attempt_or_none(stage: Stage, category: str, spent: int, outcome: Outcome) -> None:
    assert own_failure(stage, category, spent=spent, max_attempts=5) is outcome
