"""How long a failed try waits, and a batch until its next poll."""

from __future__ import annotations

from random import Random

import pytest

from include.oms.base.settings import Settings
from include.oms.monitoring.verdicts import next_poll_seconds
from include.oms.words.failure_rules import backoff_of, backoff_seconds
from include.oms.words.model import Category, Stage

CEILINGS = [(0, 5), (1, 5), (2, 10), (3, 20), (4, 40), (8, 640), (9, 900), (1000, 900)]


class Highest(Random):
    """Draws the upper bound."""

    def uniform(self, a: float, b: float) -> float:
        return b


@pytest.mark.parametrize(("spent", "ceiling"), CEILINGS)
def test_the_ceiling_doubles_up_to_the_maximum(spent: int, ceiling: float) -> None:
    assert backoff_seconds(spent, base=5, maximum=900, rng=Highest()) == ceiling


@pytest.mark.parametrize(("spent", "ceiling"), CEILINGS)
def test_the_jitter_is_full(spent: int, ceiling: float) -> None:
    waits = [backoff_seconds(spent, base=5, maximum=900, rng=Random(seed)) for seed in range(200)]
    assert all(0 <= wait <= ceiling for wait in waits)
    assert min(waits) < ceiling / 4
    assert max(waits) > ceiling * 3 / 4


@pytest.mark.parametrize(("spent_before", "ceiling"), [(0, 2), (1, 4), (2, 8), (5, 30)])
def test_a_failure_waits_by_the_settings(spent_before: int, ceiling: float) -> None:
    settings = Settings(backoff_base_seconds=2, backoff_max_seconds=30)
    assert 0 <= backoff_of(Stage.GENERATION, Category.PROCESSING_ERROR, spent_before, settings) <= ceiling


@pytest.mark.parametrize(("age", "seconds"), [(0, 0.5), (2, 0.5), (4, 1), (60, 15), (240, 60), (86_400, 60)])
def test_a_batch_is_polled_after_a_quarter_of_its_age(age: float, seconds: float) -> None:
    assert next_poll_seconds(age, Settings(first_poll_seconds=0.5, max_poll_seconds=60)) == seconds
