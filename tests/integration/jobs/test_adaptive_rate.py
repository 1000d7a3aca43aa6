"""A Thunderhead that asks for fewer calls gets fewer; nobody stops, and nobody is blamed."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Any

from include.oms.outside.adaptive_rate import CATCH_UP_SECONDS, AdaptiveRate
from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import calls_per_second
from include.oms.testing.outside import problem
from include.oms.testing.system import Oms
from include.oms.words.model import Job

NOT_SO_FAST = problem(429, {"Retry-After": "1"})


async def dial(oms: Oms) -> dict[str, Any]:
    """What the slices know of Thunderhead."""
    (row,) = await oms.rows("SELECT * FROM outside_systems WHERE system = 'THUNDERHEAD' AND document_type = '*'")
    return row


async def a_second_later(oms: Oms) -> None:
    """Let the time pass that lies between two changes of the rate."""
    await oms.connection.execute(
        "UPDATE outside_systems SET paced_at = paced_at - interval '2 s', limited_at = limited_at - interval '2 s'"
    )


async def test_a_limit_slows_the_slice_and_does_not_stop_it(oms: Oms) -> None:
    await oms.queued(10)
    oms.settings = oms.settings.model_copy(update={"concurrency": 2})
    oms.thunderhead.submit_answers = [NOT_SO_FAST]

    (report,) = await oms.run_processing()

    assert report.stopped_early is None
    assert (report.counts["submitted"], report.counts["put back"]) == (9, 1)
    known = await dial(oms)
    assert (known["open_until"], known["failures"]) == (None, 0)
    assert known["bearable_per_second"] >= 1
    await oms.due_now()
    (again,) = await oms.run_processing()
    assert again.counts["submitted"] == 1
    assert not await oms.rows("SELECT FROM document_requests WHERE spent > 0"), "nobody's failure"


async def test_the_rate_falls_by_a_third_and_grows_slowly(oms: Oms) -> None:
    await oms.connection.execute(
        "UPDATE outside_systems SET bearable_per_second = 10, paced_at = now() - interval '2 s', limited_at = paced_at"
    )
    await oms.queued(3)
    oms.thunderhead.submit_answers = [NOT_SO_FAST] * 3  # one second's answers count once
    await oms.run_processing()
    fallen = (await dial(oms))["bearable_per_second"]
    assert fallen <= 7

    await a_second_later(oms)
    await oms.due_now()
    await oms.run_processing()
    assert fallen < (await dial(oms))["bearable_per_second"] <= fallen + 2


async def test_after_ten_minutes_without_there_is_no_limit(oms: Oms) -> None:
    await oms.connection.execute(
        """UPDATE outside_systems SET bearable_per_second = 10, paced_at = now() - interval '2 s',
           limited_at = now() - interval '11 minutes'"""
    )
    await oms.queued(15)
    await oms.run_processing()
    assert (await dial(oms))["bearable_per_second"] is None
    assert await calls_per_second(oms.connection, System.THUNDERHEAD) is None


async def test_polls_are_slowed_as_well(oms: Oms) -> None:
    await oms.queued(3)
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    oms.thunderhead.poll_answers = [NOT_SO_FAST]
    await oms.due_now()

    (report,) = await oms.run_monitoring()

    assert report.stopped_early is None
    assert report.counts["still generating"] == 3
    await oms.due_now()
    (again,) = [await oms.poll(slice_id) for slice_id in await oms.claim(Job.MONITORING)]
    assert again.counts["completed"] == 3


async def test_a_refused_poll_does_not_take_the_few_polls_for_all_the_calls_that_are_borne(oms: Oms) -> None:
    await oms.connection.execute(
        "UPDATE outside_systems SET bearable_per_second = 100, paced_at = now(), limited_at = now() - interval '2 s'"
    )
    await oms.queued(3)
    await oms.run_processing()
    before = (await dial(oms))["bearable_per_second"]
    oms.thunderhead.poll_answers = [NOT_SO_FAST]
    await oms.due_now()

    await oms.run_monitoring()

    known = await dial(oms)
    assert known["bearable_per_second"] >= before
    assert known["next_call_at"] > known["paced_at"], "but nobody calls before it said"


async def test_the_first_rate_is_what_all_slices_together_got_through(oms: Oms) -> None:
    busy, slow_to_start = (AdaptiveRate(System.THUNDERHEAD, slow_seconds=9, finds_the_rate=True) for _ in range(2))
    for _ in range(99):
        busy.answered(0.01)
    slow_to_start.answered(0.01)
    slow_to_start.limited(1)
    await slow_to_start.share(oms.connection)
    assert (await dial(oms))["bearable_per_second"] == 1, "all that is known so far"

    busy.limited(1)
    await busy.share(oms.connection)

    assert (await dial(oms))["bearable_per_second"] == 70


async def test_who_was_paused_a_moment_ago_does_not_take_a_few_calls_for_all_that_are_borne(oms: Oms) -> None:
    rate = AdaptiveRate(System.THUNDERHEAD, slow_seconds=9, finds_the_rate=True)
    rate.limited(0)
    await rate.share(oms.connection)
    await oms.connection.execute("UPDATE outside_systems SET bearable_per_second = 100, paced_at = now()")
    await a_second_later(oms)

    rate.answered(0.01)
    rate.limited(0)
    await rate.share(oms.connection)

    assert (await dial(oms))["bearable_per_second"] == 70


async def test_calls_that_wait_for_the_end_of_a_pause_come_one_after_the_other(oms: Oms) -> None:
    await oms.connection.execute(
        "UPDATE outside_systems SET bearable_per_second = 50, paced_at = now() - interval '2 s', limited_at = paced_at"
    )
    rate = AdaptiveRate(System.THUNDERHEAD, slow_seconds=9, finds_the_rate=True)
    rate.limited(0.1)
    await rate.share(oms.connection)
    began, at = monotonic(), []

    async def call() -> None:
        await rate.wait()
        at.append(monotonic() - began)

    await asyncio.gather(*(call() for _ in range(12)))

    assert at[0] >= 0.05, "after the pause"
    borne = float((await dial(oms))["bearable_per_second"])
    assert at[-1] - at[0] >= 11 / borne - CATCH_UP_SECONDS
