"""Coroutines for code with threads: results, errors, and a bound on each wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from include.oms.base.loop_thread import LoopThread


@pytest.fixture
def loop_thread() -> Iterator[LoopThread]:
    made = LoopThread("test-loop")
    yield made
    made.close()


def test_many_threads_share_one_loop(loop_thread: LoopThread) -> None:
    async def where(number: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return number, threading.current_thread().name

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: loop_thread.run(where(n), seconds=30), range(20)))
    assert found == [(number, "test-loop") for number in range(20)]


def test_an_error_reaches_its_caller(loop_thread: LoopThread) -> None:
    async def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        loop_thread.run(fail(), seconds=30)


def test_what_takes_too_long_is_cancelled(loop_thread: LoopThread) -> None:
    cancelled = threading.Event()

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(TimeoutError):
        loop_thread.run(hang(), seconds=0.01)
    assert cancelled.wait(30)


def test_it_ends_with_its_thread_and_starts_again() -> None:
    loop_thread = LoopThread("test-loop-again")

    async def nothing() -> int:
        return 1

    for _ in range(2):
        assert loop_thread.run(nothing(), seconds=30) == 1
        loop_thread.close()
        assert "test-loop-again" not in [it.name for it in threading.enumerate()]
    loop_thread.close()
