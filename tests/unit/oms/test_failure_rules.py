"""Which failures come back by themselves: the table in failure_rules.toml, and what it does not name."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from include.oms.words.failure_rules import FailureRule, failure_rules, is_transient
from include.oms.words.model import Category, Stage

FOR_GOOD = {
    (Stage.ENRICHMENT, Category.CONFIGURATION_ERROR),
    (Stage.ENRICHMENT, Category.VALIDATION_ERROR),
    (Stage.ENRICHMENT, Category.WORKER_DIED),
    (Stage.SUBMISSION, Category.VALIDATION_ERROR),
    (Stage.GENERATION, Category.VALIDATION_ERROR),
    (Stage.MONITORING, Category.BATCH_UNKNOWN),
    (Stage.MONITORING, Category.OVERDUE),
    (Stage.MONITORING, Category.DOCUMENT_ID_MISSING),
    (Stage.MONITORING, Category.WORKER_DIED),
}


def test_the_table_names_only_categories_that_there_are() -> None:
    assert {category for _, category in failure_rules()} <= set(Category)


@pytest.mark.parametrize("stage", Stage)
@pytest.mark.parametrize("category", [*Category, "NEVER_HEARD_OF"])
def test_what_the_table_does_not_end_is_tried_again(stage: Stage, category: str) -> None:
    assert is_transient(stage, category) == ((stage, category) not in FOR_GOOD)


@pytest.mark.parametrize(
    "line",
    [{"transcient": False}, {"transient": "perhaps"}, {"backoff_base_seconds": 0}, {"backoff_base_seconds": "soon"}],
)
def test_a_line_that_makes_no_sense_is_refused(line: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FailureRule.model_validate(line)
