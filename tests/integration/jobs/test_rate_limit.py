"""The dial's rate: one line of calls, shared by all callers; and what a worker holds at that rate."""

from __future__ import annotations

import asyncio
from time import monotonic

from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import AHEAD_SECONDS, CATCH_UP_SECONDS, EVERY_TYPE, take_places
from include.oms.slices.slice_time import longest_hold_seconds
from include.oms.testing.system import Oms


async def rate(oms: Oms, document_type: str, per_second: float) -> None:
    """Set the rate of Thunderhead for a document type."""
    await oms.connection.execute(
        """INSERT INTO outside_systems (system, document_type, most_per_second) VALUES ('THUNDERHEAD', %s, %s)
           ON CONFLICT (system, document_type) DO UPDATE SET most_per_second = excluded.most_per_second""",
        (document_type, per_second),
    )


async def rate_of_client(oms: Oms, source_system: str, per_second: float) -> None:
    """Set the rate of a source system at Thunderhead."""
    await oms.connection.execute(
        "INSERT INTO source_system_limits (source_system, most_per_second, set_by) VALUES (%s, %s, 'airflow:ada')",
        (source_system, per_second),
    )


async def places(oms: Oms, document_type: str = EVERY_TYPE, wanted: int = 100, source_system: str | None = None) -> int:
    """How many places in line there are now."""
    found = await take_places(
        oms.connection, System.THUNDERHEAD, document_type, wanted=wanted, source_system=source_system
    )
    assert found is not None
    return found.number


async def test_no_rate_no_line(oms: Oms) -> None:
    assert await take_places(oms.connection, System.THUNDERHEAD, EVERY_TYPE, wanted=1) is None


async def test_all_callers_stand_in_one_line(oms: Oms) -> None:
    await rate(oms, EVERY_TYPE, 100)
    began = monotonic()
    at_once = round((AHEAD_SECONDS + CATCH_UP_SECONDS) * 100)
    taken = await places(oms)
    assert abs(taken - at_once) <= 10
    taken += await places(oms)
    assert taken <= at_once + 10 + 100 * (monotonic() - began), "the next one comes when the time for these has passed"


async def test_nobody_takes_a_place_that_is_far_ahead(oms: Oms) -> None:
    await rate(oms, EVERY_TYPE, 0.1)
    assert await places(oms) == 1
    assert await places(oms) == 0
    await rate(oms, EVERY_TYPE, 1000)
    found = await take_places(oms.connection, System.THUNDERHEAD, EVERY_TYPE, wanted=100)
    assert found is not None
    assert found.first_in < 0.3, "the dial was turned, and nobody has to give anything back"


async def test_a_document_type_has_a_line_of_its_own(oms: Oms) -> None:
    await rate(oms, "POLICY", 0.1)
    await rate(oms, EVERY_TYPE, 1000)
    assert await places(oms, "POLICY") == 1
    assert await places(oms, "POLICY") == 0
    assert await places(oms, "INVOICE") == 100


async def test_a_source_system_has_a_line_of_its_own(oms: Oms) -> None:
    await rate_of_client(oms, "CIBT", 0.1)
    await rate(oms, EVERY_TYPE, 1000)
    assert await places(oms, source_system="CIBT") == 1
    assert await places(oms, source_system="CIBT") == 0
    assert await places(oms, source_system="ARCADE") == 100


async def test_the_job_keeps_to_the_rate_of_a_source_system(oms: Oms) -> None:
    await rate_of_client(oms, "CIBT", 10)
    await oms.queued(5)
    started = monotonic()
    await oms.run_processing()
    assert len(oms.thunderhead.batches) == 5
    assert monotonic() - started >= 4 / 10 - CATCH_UP_SECONDS


async def test_the_job_keeps_to_the_rate(oms: Oms) -> None:
    await rate(oms, EVERY_TYPE, 10)
    await oms.queued(5)
    started = monotonic()
    await oms.run_processing()
    assert len(oms.thunderhead.batches) == 5
    assert monotonic() - started >= 4 / 10 - CATCH_UP_SECONDS


async def test_a_worker_holds_no_more_than_goes_out_in_time(oms: Oms) -> None:
    await rate(oms, EVERY_TYPE, 2)
    oms.settings = oms.settings.model_copy(update={"slice_size": 40, "max_slices": 2})
    await oms.queued(20)
    (report,) = await oms.run_processing()
    assert report.counts["held"] <= 2 * oms.settings.lease_seconds / 4
    assert report.counts["submitted"] == report.counts["held"]
    assert not await oms.rows("SELECT FROM document_requests WHERE takeovers > 0")


async def test_a_slow_dial_makes_no_task_red_and_costs_no_takeover(oms: Oms) -> None:
    """4,000 queued at 1 a second under a time limit of half an hour, scaled down."""
    await rate(oms, EVERY_TYPE, 20)
    oms.settings = oms.settings.model_copy(update={"slice_size": 40, "max_slices": 2})
    await oms.queued(60)
    for _ in range(20):
        async with asyncio.timeout(6 * longest_hold_seconds(oms.settings)):  # the task's limit: red, and killed
            reports = await oms.run_processing()
        assert not any(report.ended_red for report in reports)
        await oms.due_now()
        if len(oms.thunderhead.batches) == 60:
            break
    assert len(oms.thunderhead.batches) == 60
    assert not await oms.rows("SELECT FROM document_requests WHERE takeovers > 0 OR spent > 0")
    assert not await oms.rows("SELECT FROM request_timeline WHERE event = 'TAKEN_OVER'")
