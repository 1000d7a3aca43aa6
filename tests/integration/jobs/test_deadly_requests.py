"""A request that kills its workers at their submit is set aside, however often it settles in between."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from include.oms.outside.thunderhead import Thunderhead
from include.oms.processing.worker import MAX_TAKEOVERS
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
