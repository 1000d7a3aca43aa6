"""The catalogue is whole, and its names are fit for a path."""

import re

from include.oms.identity import keys, tokens
from include.oms.intake import refusals
from include.oms.words.failure_rules import failure_rules
from include.oms.words.model import Category
from include.oms.words.problems import PROBLEMS


def test_every_error_category_of_the_jobs_is_explained() -> None:
    assert set(Category) <= PROBLEMS.keys()


def test_every_refusal_is_explained() -> None:
    kinds = [kind for module in (refusals, keys, tokens) for kind in vars(module).values() if isinstance(kind, type)]
    explained = [kind.problem.name for kind in kinds if issubclass(kind, refusals.Refusal) and "problem" in vars(kind)]
    assert len(explained) >= 10
    assert all(PROBLEMS[name].status for name in explained)


def test_names_and_texts() -> None:
    for name, problem in PROBLEMS.items():
        assert re.fullmatch("[a-z-]+|[A-Z_]+", name)
        assert problem.path == f"/problems/{name}"
        assert problem.meaning.endswith(".")
        assert problem.what_to_do.endswith(".")


def test_what_comes_back_by_itself_is_said_to_be_worth_retrying() -> None:
    """By the rules that come with OMS. What has none (CANCELLED, STOPPED_AT_THUNDERHEAD) is an end, not a failure."""
    transient: dict[str, set[bool]] = {category: set() for category in Category}
    for (_, category), rule in failure_rules().items():
        transient[category].add(rule.transient)
    for category, answers in transient.items():
        assert PROBLEMS[category].worth_retrying == (True in answers), category
