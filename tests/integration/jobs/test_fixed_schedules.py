"""Without early wake: what one scheduled run leaves, the next one finds."""

from __future__ import annotations

import pytest

from include.oms.testing.system import Oms
from include.oms.words.model import Job

TWENTY_SECONDS = {"processing_schedule": "20", "monitoring_schedule": "20", "slice_seconds": 60, "linger_seconds": 0.1}


@pytest.mark.parametrize("early_wake", [False, True])
async def test_a_batch_that_is_still_generating_is_due_at_the_next_scheduled_run(oms: Oms, early_wake: bool) -> None:
    oms.settings = oms.settings.model_copy(update={"early_wake": early_wake, **TWENTY_SECONDS})
    await oms.queued()
    await oms.run_processing()
    await oms.rows(
        "UPDATE thunderhead_batches SET submitted_at = now() - interval '1 hour', next_poll_at = now() RETURNING 1"
    )
    (report,) = await oms.run_monitoring()
    assert report.counts["still generating"] == 1
    (batch,) = await oms.rows(
        "SELECT extract(epoch FROM next_poll_at - now())::float AS due_in FROM thunderhead_batches"
    )
    assert (batch["due_in"] < 16) is not early_wake


async def test_requests_that_come_while_a_worker_is_there_are_taken_at_once(oms: Oms) -> None:
    oms.settings = oms.settings.model_copy(update={"early_wake": False, **TWENTY_SECONDS})
    await oms.queued(3)
    (slice_id,) = await oms.claim(Job.PROCESSING)
    await oms.queued(2)
    report = await oms.process(slice_id)
    assert report.counts["held"] == 5
