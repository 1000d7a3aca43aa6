"""What several calls store at the same moment is one statement, and each call gets its own answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from include.oms.intake.together import Together

WAIT_SECONDS = 30


class Outage(Exception):
    """An error of all."""


class Work:
    """The statement. The first one goes on when the test says so; the others wait for it meanwhile."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.first_has_begun, self.first_may_end = threading.Event(), threading.Event()
        self.fails: Callable[[Sequence[str]], Exception | None] = lambda _: None

    def __call__(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        if len(self.batches) == 1:
            self.first_has_begun.set()
            assert self.first_may_end.wait(WAIT_SECONDS)
        if error := self.fails(items):
            raise error
        return [item.upper() for item in items]


@pytest.fixture
def work() -> Work:
    return Work()


def outcomes(work: Work, *items: str, most: int = 10) -> list[str | type[BaseException]]:
    """The answers to calls of which the first is at work while the others come, one after the other."""
    together = Together(work, lambda item: item[0], most=most, at_once=1, of_all=Outage)
    with ThreadPoolExecutor(len(items)) as pool:
        calls: list[Future[str]] = [pool.submit(together.do, items[0])]
        assert work.first_has_begun.wait(WAIT_SECONDS)
        for number, item in enumerate(items[1:], start=1):
            calls.append(pool.submit(together.do, item))
            while len(together._waiting) < number:
                threading.Event().wait(0.001)
        work.first_may_end.set()
        errors = [call.exception(WAIT_SECONDS) for call in calls]
        return [type(error) if error else call.result() for error, call in zip(errors, calls, strict=True)]


def test_those_that_come_while_one_stores_are_stored_together(work: Work) -> None:
    assert outcomes(work, "a", "b", "c", "d") == ["A", "B", "C", "D"]
    assert work.batches == [["a"], ["b", "c", "d"]]


def test_a_statement_has_so_many_and_each_key_once(work: Work) -> None:
    assert outcomes(work, "a1", "b1", "b2", "c1", "d1", most=2) == ["A1", "B1", "B2", "C1", "D1"]
    assert work.batches == [["a1"], ["b1", "c1"], ["b2", "d1"]]


def test_an_outage_is_the_answer_to_all_of_a_statement_and_to_no_other(work: Work) -> None:
    work.fails = lambda items: Outage() if "b" in items else None
    assert outcomes(work, "a", "b", "c", "d", most=2) == ["A", Outage, Outage, "D"]
    assert work.batches == [["a"], ["b", "c"], ["d"]]


def test_another_error_is_the_answer_to_its_own_call_alone(work: Work) -> None:
    work.fails = lambda items: ValueError() if "c" in items else None
    assert outcomes(work, "a", "b", "c", "d") == ["A", "B", ValueError, "D"]
    assert work.batches == [["a"], ["b", "c", "d"], ["b"], ["c"], ["d"]]


def test_two_statements_run_at_once_and_the_third_call_waits_for_either(work: Work) -> None:
    together = Together(work, lambda item: item, most=10, at_once=2, of_all=Outage)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(together.do, "a")
        assert work.first_has_begun.wait(WAIT_SECONDS)
        assert [together.do("b"), together.do("c")] == ["B", "C"]
        work.first_may_end.set()
        assert first.result(WAIT_SECONDS) == "A"
    assert together._free == 2


def test_after_an_error_the_next_call_stores(work: Work) -> None:
    work.fails = lambda items: Outage() if items == ["a"] else None
    together = Together(work, lambda item: item, most=10, at_once=1, of_all=Outage)
    work.first_may_end.set()
    with pytest.raises(Outage):
        together.do("a")
    assert together.do("b") == "B"
