"""A request that kills its workers, at their submit or at their poll, is set aside; the others go on."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from include.oms.outside.thunderhead import Batch, Thunderhead
from include.oms.slices.cutting import MAX_TAKEOVERS
from include.oms.testing.outside import problem
from include.oms.testing.system import Oms
from include.oms.words.model import Job


class Deadly(Thunderhead):
    """Every submit of the first request ends the worker, as an out-of-memory kill does."""

    async def submit(self, **what: Any) -> int:
        if what["batch_name"].startswith("OMS-1-"):
            raise MemoryError
        return await super().submit(**what)


async def test_a_request_that_kills_its_workers_is_set_aside_and_the_others_go_on(oms: Oms) -> None:
    (poison, *others) = await oms.queued(10)
    oms.thunderhead_client = Deadly(oms.thunderhead_client.door, oms.settings)
    for _ in range(MAX_TAKEOVERS + 2):
        for slice_id in await oms.claim(Job.PROCESSING):
            with suppress(BaseExceptionGroup):
                await oms.process(slice_id)
        if (await oms.request(poison))["status"] == "FAILED":
            break
        await oms.workers_die()
        await oms.due_now()
    (error,) = await oms.rows("SELECT category FROM request_errors WHERE request_id = %s", poison)
    assert error["category"] == "WORKER_DIED"
    assert len(oms.thunderhead.batches) == len(others)


class DeadlyAnswer(Thunderhead):
    """Every answer about one batch ends the worker."""

    deadly_id: int | None

    async def find_by_ids(self, batch_ids: Sequence[int]) -> dict[int, Batch]:
        if self.deadly_id in batch_ids:
            raise MemoryError
        return await super().find_by_ids(batch_ids)


async def with_a_deadly_answer(oms: Oms, requests: int) -> tuple[DeadlyAnswer, int]:
    """So many requests at Thunderhead; the client, and the request whose batch is deadly."""
    poison, *_ = await oms.queued(requests)
    await oms.run_processing()
    [batch] = await oms.rows("SELECT thunderhead_batch_id FROM thunderhead_batches WHERE request_id = %s", poison)
    oms.thunderhead_client = client = DeadlyAnswer(oms.thunderhead_client.door, oms.settings)
    client.deadly_id = batch["thunderhead_batch_id"]
    return client, poison


async def poll_and_die(oms: Oms) -> None:
    """One run; workers that die leave their leases behind, which run out."""
    await oms.due_now()
    for slice_id in await oms.claim(Job.MONITORING):
        with suppress(MemoryError):
            await oms.poll(slice_id)
    await oms.workers_die()


async def test_a_batch_that_kills_its_pollers_is_set_aside_and_the_others_go_on(oms: Oms) -> None:
    _, poison = await with_a_deadly_answer(oms, 10)
    oms.thunderhead.end("COMPLETED")
    for _ in range(MAX_TAKEOVERS):
        assert (await oms.request(poison))["status"] == "PROCESSING"
        await poll_and_die(oms)
    await poll_and_die(oms)
    ended = await oms.rows("SELECT request_id, status, stage FROM document_requests ORDER BY request_id")
    assert [row["status"] for row in ended] == ["FAILED"] + 9 * ["COMPLETED"]
    assert ended[0]["stage"] == "MONITORING", "a retrigger asks about the batch again: no second document"
    (error,) = await oms.rows("SELECT category, description FROM request_errors")
    assert error["category"] == "WORKER_DIED"
    assert error["description"].startswith(f"{MAX_TAKEOVERS} workers in a row died")
    assert oms.thunderhead.doubled() == []


async def test_a_retry_of_its_task_counts_as_a_death_too(oms: Oms) -> None:
    _, poison = await with_a_deadly_answer(oms, 1)
    [slice_id] = await oms.claim(Job.MONITORING)
    for _ in range(MAX_TAKEOVERS):
        with suppress(MemoryError):
            await oms.poll(slice_id)
    await oms.poll(slice_id)
    assert (await oms.request(poison))["status"] == "FAILED"


async def test_an_answer_that_a_worker_survives_makes_its_deaths_forgotten(oms: Oms) -> None:
    client, poison = await with_a_deadly_answer(oms, 1)
    deadly_id = client.deadly_id
    for _ in range(MAX_TAKEOVERS - 1):
        await poll_and_die(oms)
    client.deadly_id = None
    await poll_and_die(oms)
    assert (await oms.request(poison))["takeovers"] == 0
    client.deadly_id = deadly_id
    await poll_and_die(oms)
    assert (await oms.request(poison))["status"] == "PROCESSING"


async def test_an_outage_does_not_make_deaths_forgotten(oms: Oms) -> None:
    client, poison = await with_a_deadly_answer(oms, 1)
    await poll_and_die(oms)
    client.deadly_id, oms.thunderhead.always = None, problem(503)
    await poll_and_die(oms)
    assert (await oms.request(poison))["takeovers"] == 1
