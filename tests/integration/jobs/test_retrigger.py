"""Clearing a red task instance drives exactly its ended requests again, by the stage they ended at."""

from __future__ import annotations

import pytest

from include.oms.ending.retrigger import retrigger_requests
from include.oms.testing.made import ended
from include.oms.testing.outside import problem
from include.oms.testing.system import Oms
from include.oms.words.model import Job

pytestmark = pytest.mark.usefixtures("both_modes")


async def rejected(oms: Oms, n: int = 1) -> tuple[int, list[int]]:
    """A slice whose first request was rejected, and the ids of its requests."""
    ids = await oms.queued(n)
    oms.thunderhead.submit_answers = [problem(422)]
    oms.settings = oms.settings.model_copy(update={"concurrency": 1})
    (slice_id,) = await oms.claim(Job.PROCESSING)
    report = await oms.process(slice_id)
    assert [end.request_id for end in report.red_ends] == ids[:1]
    return slice_id, ids


async def test_clearing_gives_a_submission_failure_a_new_attempt(oms: Oms) -> None:
    slice_id, (bad, *good) = await rejected(oms, 3)

    report = await oms.process(slice_id, generation=1)

    assert report.counts == {"retriggered": 1, "held": 1, "submitted": 1}
    assert await oms.timeline(bad) == ["CLAIMED", "FAILED", "RETRIGGERED", "SUBMITTED"]
    for request_id in good:
        assert await oms.timeline(request_id) == ["CLAIMED", "SUBMITTED"]
    assert oms.thunderhead.batches[-1]["batchName"] == f"OMS-{bad}-2"


async def test_running_again_without_a_clear_is_no_retrigger(oms: Oms) -> None:
    slice_id, (bad,) = await rejected(oms)
    report = await oms.process(slice_id, generation=0)
    assert report.counts == {}
    assert [end.request_id for end in report.red_ends] == [bad], "it stays red"
    assert (await oms.request(bad))["status"] == "FAILED"


async def test_clearing_twice_does_no_harm(oms: Oms) -> None:
    slice_id, _ = await rejected(oms)
    await oms.process(slice_id, generation=1)
    report = await oms.process(slice_id, generation=2)
    assert (report.counts, report.red_ends) == ({}, [])
    assert len(oms.thunderhead.batches) == 1


async def test_clearing_what_has_ended_again_elsewhere_touches_nothing(oms: Oms) -> None:
    slice_id, (bad,) = await rejected(oms)
    await retrigger_requests(oms.connection, [bad], actor="operator")
    oms.thunderhead.submit_answers = [problem(422)]
    await oms.run_processing()
    await oms.process(slice_id, generation=1)
    request = await oms.request(bad)
    assert (request["status"], request["revision"]) == ("FAILED", 2)


async def test_a_healed_request_gets_a_second_event_with_a_higher_revision(oms: Oms) -> None:
    slice_id, (bad,) = await rejected(oms)
    await oms.process(slice_id, generation=1)
    oms.thunderhead.end("COMPLETED")
    await oms.due_now()
    await oms.run_monitoring()
    first, second = [event["event"]["data"] for event in await oms.events()]
    assert (first["status"], first["revision"]) == ("FAILED", 1)
    assert (second["status"], second["revision"], second["attempts"]) == ("COMPLETED", 2, 2)
    assert second["errors"] == []
    assert (await oms.request(bad))["status"] == "COMPLETED"


async def test_clearing_a_generation_failure_queues_it_for_a_new_batch(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    oms.thunderhead.end("FAILED", category="VALIDATION_ERROR", description="x")
    await oms.due_now()
    (slice_id,) = await oms.claim(Job.MONITORING)
    assert (await oms.poll(slice_id)).red_ends

    report = await oms.poll(slice_id, generation=1)

    assert (report.counts["retriggered"], report.red_ends) == (1, [])
    assert (await oms.request(request_id))["status"] == "QUEUED"
    await oms.run_processing()
    assert [batch["batchName"] for batch in oms.thunderhead.batches] == [f"OMS-{request_id}-{n}" for n in (1, 2)]


async def test_clearing_a_monitoring_failure_only_asks_again(oms: Oms) -> None:
    (request_id,) = await oms.queued()
    await oms.run_processing()
    oms.settings = oms.settings.model_copy(update={"overdue_seconds": 0.001})
    await oms.due_now()
    (slice_id,) = await oms.claim(Job.MONITORING)
    (end,) = (await oms.poll(slice_id)).red_ends
    assert (end.stage, end.category) == ("MONITORING", "OVERDUE")

    oms.thunderhead.end("COMPLETED")
    await oms.poll(slice_id, generation=1)

    request = await oms.request(request_id)
    assert (request["status"], request["revision"], request["attempts"]) == ("COMPLETED", 2, 1)
    assert len(oms.thunderhead.batches) == 1


async def test_what_was_withdrawn_is_left_alone(oms: Oms) -> None:
    withdrawn = await ended(oms, "STOPPED", category="CANCELLED")
    stopped = await ended(oms, "STOPPED", category="STOPPED_AT_THUNDERHEAD")
    once = await ended(oms, "FAILED", category="CANCELLED")  # failed, and the error is only named so
    ids = [withdrawn, stopped, once]
    assert await retrigger_requests(oms.connection, ids, actor="operator") == [stopped, once]
    assert await oms.timeline(withdrawn) == ["ACCEPTED", "STOPPED"]
    assert (await oms.request(withdrawn))["status"] == "STOPPED"


async def test_what_is_not_at_a_red_end_is_not_retriggered(oms: Oms) -> None:
    (queued,) = await oms.queued()
    assert await retrigger_requests(oms.connection, [queued, 999_999], actor="operator") == []
