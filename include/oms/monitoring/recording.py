"""Record the results of document_monitoring's polls."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic

from include.oms.monitoring.verdicts import HeldBatch, Verdict
from include.oms.slices.hold import Hold
from include.oms.slices.recording import record_ends
from include.oms.words.failure_rules import backoff_of
from include.oms.words.model import BatchStatus, Job, Status
from include.oms.words.state_machine import Outcome

BATCH_STATUS_AT_END = {
    Outcome.COMPLETED: BatchStatus.COMPLETED,
    Outcome.STOPPED: BatchStatus.STOPPED,
    Outcome.FAILED_TRANSIENT: BatchStatus.FAILED,
    Outcome.FAILED_PERMANENT: BatchStatus.FAILED,
}


async def record(hold: Hold, over: Sequence[Verdict]) -> None:
    """Record the batches that are over, their requests and final events, in one transaction."""
    async with hold.transaction() as inside:
        ended = await _end_batches(inside, over)
        mine = [verdict for verdict in over if verdict.request_id in ended]
        ends = await record_ends(inside, mine, job=Job.MONITORING, lease_token=None)
        again = [verdict for verdict in mine if verdict.move.status is Status.QUEUED]
        if again:
            await _requeue(inside, again)
    if ends:
        hold.tell_ends()
    hold.report.count("completed", sum(end.status is Status.COMPLETED for end in ends))
    hold.report.count("to be tried again", len(again))
    hold.report.count("ended red", sum(end.status is not Status.COMPLETED for end in ends))


async def schedule_polls(hold: Hold, batches: Sequence[HeldBatch]) -> None:
    """Release batches that are still generating, each with the time of its next poll.

    Without early wake nobody polls between the end of this worker and the next scheduled run. So every batch is due by
    then.
    """
    now = monotonic()
    at_latest = inf if hold.settings.early_wake else hold.time.ends_at
    await hold.execute(
        "schedule_polls",
        batch_keys=[batch.batch_key for batch in batches],
        wait_seconds=[max(min(batch.due_at, at_latest) - now, 0.0) for batch in batches],
        polls=[batch.polls for batch in batches],
        asked_seconds=[batch.asked_seconds for batch in batches],
        unasked_seconds=[batch.as_of_now().unasked_seconds for batch in batches],
        missing_seconds=[batch.as_of_now().missing_seconds for batch in batches],
    )
    hold.report.count("still generating", len(batches))


async def _end_batches(hold: Hold, verdicts: Sequence[Verdict]) -> set[int]:
    """End the batches that this worker still holds; return their requests. Only these are recorded further."""
    ended = await hold.rows(
        "end_batches",
        batch_keys=[verdict.batch.batch_key for verdict in verdicts],
        statuses=[BATCH_STATUS_AT_END[verdict.outcome] for verdict in verdicts],
        dms_document_ids=[verdict.dms_document_id for verdict in verdicts],
        polls=[verdict.batch.polls + 1 for verdict in verdicts],
    )
    return {row["request_id"] for row in ended}


async def _requeue(hold: Hold, verdicts: Sequence[Verdict]) -> None:
    await hold.rows(
        "requeue_failed_generations",
        request_ids=[verdict.request_id for verdict in verdicts],
        wait_seconds=[
            backoff_of(verdict.stage, verdict.category, verdict.batch.spent, hold.settings) for verdict in verdicts
        ],
        categories=[verdict.category for verdict in verdicts],
        descriptions=[verdict.description for verdict in verdicts],
    )
