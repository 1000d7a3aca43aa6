"""Whether a failure is transient, and how long its back-off is: reads the table in ``failure_rules.toml``."""

from __future__ import annotations

import random
import tomllib
from functools import cache
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from include.oms.base.settings import Settings
from include.oms.words.model import Stage


class FailureRule(BaseModel):
    """One line of the table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transient: bool = True
    backoff_base_seconds: float | None = Field(default=None, gt=0)


@cache
def failure_rules() -> dict[tuple[Stage, str], FailureRule]:
    """The table by (stage, category). Raises pydantic's ValidationError for a line that makes no sense."""
    table = tomllib.loads(resources.files(__package__).joinpath("failure_rules.toml").read_text("utf-8"))
    return {
        (Stage(stage), category): FailureRule.model_validate(rule)
        for stage, categories in table.items()
        for category, rule in categories.items()
    }


def is_transient(stage: Stage, category: str) -> bool:
    """Whether a failure of this kind is worth another attempt."""
    return failure_rules().get((stage, category), FailureRule()).transient


def backoff_seconds(spent: int, *, base: float, maximum: float, rng: random.Random | None = None) -> float:
    """Back-off in seconds after the ``spent``-th failure: full jitter below min(maximum, base * 2^(spent-1)).

    With base 5 and maximum 900 the waits lie below 5, 10, 20, 40 ... 900 s. Full jitter spreads a crowd that
    failed together. Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    ceiling = min(maximum, base * 2 ** min(max(spent, 1) - 1, 40))
    return (rng or random).uniform(0, ceiling)


def backoff_of(stage: Stage, category: str | None, spent_before: int, settings: Settings) -> float:
    """The back-off in seconds after a failure of this kind, ``spent_before`` attempts having been spent before it."""
    rule = failure_rules().get((stage, category or ""), FailureRule())
    base = rule.backoff_base_seconds or settings.backoff_base_seconds
    return backoff_seconds(spent_before + 1, base=base, maximum=settings.backoff_max_seconds)
