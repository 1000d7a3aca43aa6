"""A worker that Airflow has replaced may still be alive; nothing it writes counts."""

from __future__ import annotations

from typing import Any

import pytest

from include.oms.base.clock import awake_or_asleep
from include.oms.ending.final_status import End, bring_to_end
from include.oms.monitoring import recording as monitoring
from include.oms.monitoring.verdicts import Verdict
from include.oms.monitoring.worker import held_batches
from include.oms.processing import recording as processing
from include.oms.processing import worker
from include.oms.processing.enrichment import enrich
from include.oms.processing.tries import HeldRequest, TryResult
from include.oms.processing.worker import held_requests
from include.oms.slices import lease
from include.oms.slices.hold import Hold
from include.oms.testing.system import Oms
from include.oms.words.model import Category, Job, Stage, Status
from include.oms.words.state_machine import Outcome

pytestmark = pytest.mark.usefixtures("both_modes")


async def replaced_worker(oms: Oms) -> tuple[Hold, HeldRequest]:
    """A worker of a processing slice whose slice another one has taken up since, and the request it held."""
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    former = await oms.hold(slice_id)
    (request,) = await held_requests(former)
    await oms.workers_die()
    (later,) = await oms.claim(Job.PROCESSING)
    await oms.hold(later)
    return former, request


@pytest.mark.parametrize(
    "written",
    [
        {"outcome": Outcome.SUBMITTED, "batch_id": 7},
        {"outcome": Outcome.UNAVAILABLE},
        {"outcome": Outcome.UNSURE, "in_doubt": True},
        {"outcome": Outcome.FAILED_PERMANENT, "category": Category.VALIDATION_ERROR, "description": "x"},
    ],
    ids=lambda written: str(written["outcome"]),
)
async def test_its_results_change_nothing(oms: Oms, written: dict[str, object]) -> None:
    former, request = await replaced_worker(oms)
    before = await oms.request(request.request_id)
    result = TryResult(request, stage=Stage.SUBMISSION, **written)  # type: ignore[arg-type]

    await processing.record(former, [result])

    assert await oms.request(request.request_id) == before
    assert await oms.events() == []


async def test_a_worker_that_was_suspended_past_its_lease_submits_nothing(
    oms: Oms, monkeypatch: pytest.MonkeyPatch
) -> None:
    (request_id,) = await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    with monkeypatch.context() as suspended:

        async def enriched_before_the_suspend(*of: Any) -> Any:
            enriched = await enrich(*of)
            awake_at = awake_or_asleep() + 2 * oms.settings.lease_seconds
            suspended.setattr(lease, "awake_or_asleep", lambda: awake_at)
            return enriched

        suspended.setattr(worker, "enrich", enriched_before_the_suspend)
        await oms.process(slice_id)
        assert oms.thunderhead.batches == []
    await oms.workers_die()
    await oms.due_now()

    await oms.run_processing()

    assert len(oms.thunderhead.batches) == 1
    assert (await oms.request(request_id))["status"] == "PROCESSING"


async def test_its_verdicts_change_nothing(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    await oms.due_now()
    (slice_id,) = await oms.claim(Job.MONITORING)
    former = await oms.hold(slice_id)
    (batch,) = await held_batches(former)
    await oms.workers_die()
    await oms.claim(Job.MONITORING)

    verdict = Verdict(batch, stage=Stage.GENERATION, outcome=Outcome.COMPLETED, dms_document_id=1)
    await monitoring.record(former, [verdict])

    assert (await oms.request(request_id))["status"] == "PROCESSING"


async def test_an_end_names_the_state_it_expects(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.claim(Job.PROCESSING)
    end = End(request_id, Status.STOPPED, Stage.ENRICHMENT, Category.CANCELLED, "too late")
    ended = await bring_to_end(
        oms.connection, [end], from_status=Status.QUEUED, lease_token=None, slice_id=None, actor="client"
    )
    assert ended == []
