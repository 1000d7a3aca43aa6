"""What a poll's answer means for a batch: a table, without a database."""

from __future__ import annotations

import pytest

from include.oms.base.settings import Settings
from include.oms.monitoring.verdicts import HeldBatch, verdict_of
from include.oms.outside.thunderhead import Batch
from include.oms.words.model import Category
from include.oms.words.state_machine import Outcome

SETTINGS = Settings()
DAY = SETTINGS.overdue_seconds


def held(**more: float) -> HeldBatch:
    """A batch that was submitted a second ago."""
    columns: dict[str, float] = {"age_seconds": 1.0, "polls": 0, "spent": 0, "takeovers": 0, **more}
    return HeldBatch(batch_key=1, request_id=1, batch_name="OMS-1-1", thunderhead_batch_id=7, **columns)  # type: ignore[arg-type]


def found(status: str, document_id: int | None = None, name: str = "OMS-1-1") -> Batch:
    """Thunderhead's answer."""
    return Batch(7, name, status, document_id)


@pytest.mark.parametrize(
    ("batch", "answer", "outcome", "category"),
    [
        (held(), found("PROCESSING"), Outcome.GENERATING, None),
        (held(), found("COMPLETED", 9), Outcome.COMPLETED, None),
        (held(), found("STOPPED"), Outcome.STOPPED, Category.STOPPED_AT_THUNDERHEAD),
        (held(), found("COMPLETED", 9, name="another"), Outcome.GENERATING, None),
        (held(), found("ARCHIVING"), Outcome.GENERATING, None),
        (held(), None, Outcome.GENERATING, None),
        (held(age_seconds=61), None, Outcome.FAILED_PERMANENT, Category.BATCH_UNKNOWN),
        (held(), found("COMPLETED"), Outcome.GENERATING, None),
        (held(missing_seconds=599), found("COMPLETED"), Outcome.GENERATING, None),
        (held(missing_seconds=601), found("COMPLETED"), Outcome.FAILED_PERMANENT, Category.DOCUMENT_ID_MISSING),
        (held(missing_seconds=601), found("COMPLETED", 9), Outcome.COMPLETED, None),
        (held(age_seconds=3 * DAY, unasked_seconds=2 * DAY), found("PROCESSING"), Outcome.GENERATING, None),
        (held(age_seconds=DAY, asked_seconds=DAY), found("PROCESSING"), Outcome.GENERATING, None),
        (held(asked_seconds=DAY + 1), found("PROCESSING"), Outcome.FAILED_PERMANENT, Category.OVERDUE),
    ],
)
def test_what_an_answer_means(
    batch: HeldBatch, answer: Batch | None, outcome: Outcome, category: Category | None
) -> None:
    verdict = verdict_of(batch, answer, SETTINGS)
    assert verdict is not None
    assert (verdict.outcome, verdict.category) == (outcome, category)


def test_what_failed_has_reasons_to_be_asked_for() -> None:
    assert verdict_of(held(), found("FAILED"), SETTINGS) is None


def test_a_pause_does_not_age_a_batch() -> None:
    after_a_weekend = held(asked_seconds=100, unasked_seconds=2 * DAY)
    assert after_a_weekend.asked_for_seconds(SETTINGS) == 100 + 2 * SETTINGS.max_poll_seconds
