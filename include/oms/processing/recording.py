"""Record the results of document_processing."""

from __future__ import annotations

import random
from collections.abc import Sequence

from include.oms.base.settings import Settings
from include.oms.processing.tries import TryResult
from include.oms.slices.hold import Hold
from include.oms.slices.recording import record_ends
from include.oms.words.failure_rules import backoff_of, backoff_seconds
from include.oms.words.model import Job, Status
from include.oms.words.state_machine import Outcome, Wait

SUBMITS_FOR_FREE = 5  # submits without an answer that spend no attempt; later ones do while others are answered


async def record(hold: Hold, results: Sequence[TryResult]) -> None:
    """Write the results. A request that this worker no longer holds is left to its new worker."""
    submitted = [result for result in results if result.outcome is Outcome.SUBMITTED]
    put_back = [result for result in results if result.move.status is Status.QUEUED]
    if submitted:
        await _record_submissions(hold, submitted)
    if put_back:
        await _record_put_backs(hold, put_back)
    if ends := await record_ends(hold, results, job=Job.PROCESSING, lease_token=hold.lease.token):
        hold.report.count("ended", len(ends))
        hold.tell_ends()


async def _record_submissions(hold: Hold, results: Sequence[TryResult]) -> None:
    moved = await hold.rows(
        "record_submissions",
        request_ids=[result.request_id for result in results],
        batch_ids=[result.batch_id for result in results],
        adopted=[result.adopted for result in results],
        first_poll_seconds=hold.settings.first_poll_seconds,
    )
    hold.report.count("submitted", len(moved))
    hold.report.count("adopted", sum(result.adopted for result in results))


async def _record_put_backs(hold: Hold, results: Sequence[TryResult]) -> None:
    moved = await hold.rows(
        "put_back_requests",
        request_ids=[result.request_id for result in results],
        stages=[result.move.stage for result in results],
        wait_seconds=[
            wait_seconds(result, hold.settings) if result.wait_seconds is None else result.wait_seconds
            for result in results
        ],
        kept=[result.is_kept for result in results],
        submits_for_free=SUBMITS_FOR_FREE,
        spends=[result.move.spends_attempt for result in results],
        in_doubt=[result.in_doubt for result in results],
        categories=[result.category for result in results],
        descriptions=[result.description for result in results],
    )
    hold.report.count("put back", sum(not row["kept"] for row in moved))
    hold.report.count("tried again", sum(row["kept"] for row in moved))


def wait_seconds(result: TryResult, settings: Settings, *, tries: int = 0) -> float:
    """Seconds that the request waits before its next try. ``tries``: earlier ones that this worker made in vain."""
    match result.move.wait:
        case Wait.SETTLING:
            least = settings.settling_seconds if result.in_doubt else 0.0
            return max(least, result.wait_seconds or 0.0)
        case Wait.OUTAGE if not result.was_called:
            return result.wait_seconds or 0.0
        case Wait.OUTAGE if result.wait_seconds:
            return result.wait_seconds + random.uniform(0, min(result.wait_seconds / 10, 1))  # noqa: S311 - a jitter
        case Wait.OUTAGE:
            return backoff_seconds(tries + 1, base=settings.backoff_base_seconds, maximum=settings.backoff_max_seconds)
        case Wait.BACKOFF:
            return backoff_of(result.stage, result.category, result.request.spent, settings)
        case _:
            return 0.0
