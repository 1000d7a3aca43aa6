"""A worker takes more into its slice for a while; who worked it before, or a clear, changes that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from include.oms.slices.report import SliceReport
from include.oms.testing.system import Oms
from include.oms.words.model import Job

pytestmark = pytest.mark.usefixtures("both_modes")


@pytest.fixture(autouse=True)
def _workers_stay(oms: Oms) -> None:
    oms.settings = oms.settings.model_copy(update={"slice_seconds": 10, "linger_seconds": 0.5})


async def the_slice(oms: Oms) -> dict[str, Any]:
    (row,) = await oms.rows("SELECT size, label, closed_at IS NOT NULL AS closed FROM slices")
    return row


async def until_submitted(oms: Oms, number: int) -> None:
    """Wait until Thunderhead has so many."""
    async with asyncio.timeout(60):
        while len(oms.thunderhead.batches) < number:  # noqa: ASYNC110 - the condition is at Thunderhead
            await asyncio.sleep(0.01)


async def test_what_is_due_by_then_is_taken_too(oms: Oms) -> None:
    first = await oms.queued(2)
    (slice_id,) = await oms.claim(Job.PROCESSING)
    last = await oms.queued(oms.settings.slice_size, source_system="ARCADE")

    report = await oms.process(slice_id)

    assert report.counts["submitted"] == 2 + oms.settings.slice_size
    named = f"12 requests, {first[0]} to {last[-1]}: 10 ARCADE, 2 CIBT"
    assert await the_slice(oms) == {"size": 12, "label": named, "closed": True}
    assert report.label == named


async def test_what_comes_while_it_lingers_is_taken(oms: Oms) -> None:
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    async with oms.another_worker() as worker:
        working = asyncio.create_task(worker.process(slice_id))
        await until_submitted(oms, 1)
        await oms.queued()
        report = await working
    assert report.counts["submitted"] == 2


async def test_a_clear_runs_exactly_its_own_requests(oms: Oms) -> None:
    oms.reference_data.unknown_documents = {"IVZRECPA"}
    (bad,) = await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    assert (await oms.process(slice_id)).red_ends
    oms.reference_data.unknown_documents = set()
    await oms.queued(3)

    cleared = await oms.process(slice_id, generation=1)

    assert cleared.counts == {"retriggered": 1, "held": 1, "submitted": 1}
    assert (await oms.request(bad))["status"] == "PROCESSING"


async def test_a_worker_whose_slice_has_passed_on_takes_nothing(oms: Oms) -> None:
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    async with oms.another_worker() as worker:
        working = asyncio.create_task(worker.process(slice_id))
        await until_submitted(oms, 1)
        await oms.process(slice_id)  # Airflow ran the task instance again
        (late,) = await oms.queued()
        await working
    assert (await oms.request(late))["status"] == "QUEUED"


async def test_a_paused_thunderhead_gets_no_more(oms: Oms) -> None:
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    async with oms.another_worker() as worker:
        working = asyncio.create_task(worker.process(slice_id))
        await until_submitted(oms, 1)
        await oms.connection.execute("UPDATE outside_systems SET paused_at = now(), paused_by = 'me'")
        await oms.queued()
        report = await working
    assert report.counts["submitted"] == 1


async def test_monitoring_is_there_before_the_document_is(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    (polling,) = await oms.claim(Job.MONITORING)  # nothing is due, but something is on its way
    (slice_id,) = await oms.claim(Job.PROCESSING)
    async with oms.another_worker() as worker:
        working: asyncio.Task[SliceReport] = asyncio.create_task(worker.poll(polling))
        await oms.process(slice_id)
        oms.thunderhead.end("COMPLETED")
        report = await working
    assert report.counts == {"held": 1, "completed": 1}
    assert report.label == f"request {request_id}", "it was empty when it was cut"
    assert (await oms.request(request_id))["status"] == "COMPLETED"


async def test_one_worker_is_enough_to_wait(oms: Oms) -> None:
    await oms.queued()
    assert len(await oms.claim(Job.MONITORING)) == 1
    assert await oms.claim(Job.MONITORING) == []


async def test_a_person_who_is_needed_is_to_know_at_once(oms: Oms) -> None:
    oms.settings = oms.settings.model_copy(update={"linger_seconds": 600})
    oms.reference_data.unknown_documents = {"IVZRECPA"}
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    report = await asyncio.wait_for(oms.process(slice_id), 60)
    assert report.red_ends


async def test_what_takes_long_is_let_go(oms: Oms) -> None:
    await oms.queued()
    await oms.run_processing()
    await oms.connection.execute(
        "UPDATE thunderhead_batches SET submitted_at = now() - interval '1 h', next_poll_at = now()"
    )
    (report,) = await oms.run_monitoring()
    assert report.counts == {"held": 1, "still generating": 1}
    (batch,) = await oms.rows(
        "SELECT lease_token, next_poll_at > now() + interval '30 s' AS later FROM thunderhead_batches"
    )
    assert batch == {"lease_token": None, "later": True}


async def test_events_that_wait_get_a_worker_even_while_thunderhead_is_out(oms: Oms) -> None:
    await oms.queued()
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED")
    await oms.run_monitoring()
    await oms.connection.execute("UPDATE outside_systems SET open_until = now() + interval '1 h'")
    (slice_id,) = await oms.claim(Job.MONITORING)
    assert (await oms.poll(slice_id)).counts == {}


async def test_the_slices_at_work_count_against_the_most(oms: Oms) -> None:
    await oms.queued(oms.settings.slice_size * (oms.settings.max_slices + 3))
    assert len(await oms.claim(Job.PROCESSING)) == oms.settings.max_slices
    assert await oms.claim(Job.PROCESSING) == []


async def test_more_slices_come_one_at_a_time(oms: Oms) -> None:
    await oms.queued(oms.settings.slice_size)
    await oms.claim(Job.PROCESSING)
    await oms.queued(oms.settings.slice_size * 3)
    assert [len(await oms.claim(Job.PROCESSING)) for _ in range(4)] == [1, 1, 1, 0]


async def test_what_died_is_out_of_the_count_when_its_lease_has_run_out(oms: Oms) -> None:
    await oms.queued(oms.settings.slice_size * oms.settings.max_slices)
    await oms.claim(Job.PROCESSING)
    await oms.workers_die()
    assert len(await oms.claim(Job.PROCESSING)) == oms.settings.max_slices


async def test_more_at_work_than_may_be_get_no_more(oms: Oms) -> None:
    await oms.queued(oms.settings.slice_size * 3)
    assert len(await oms.claim(Job.PROCESSING)) == 3
    await oms.queued()
    oms.settings = oms.settings.model_copy(update={"max_slices": 2})
    assert await oms.claim(Job.PROCESSING) == []
