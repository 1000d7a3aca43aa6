"""Writing what tries came to: each kind of result in one statement, fenced by the worker's lease."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.ending.final_status import End, bring_to_end
from include.oms.processing.work import Result
from include.oms.slices.lease import Lease
from include.oms.slices.slices import SliceReport
from include.oms.words.failure_rules import backoff_of, backoff_seconds
from include.oms.words.model import ENDS, Job, Status
from include.oms.words.state_machine import Outcome, Wait


async def record(
    connection: AsyncConnection[DictRow],
    results: Sequence[Result],
    *,
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> None:
    """Write the results. What this worker no longer holds is left to whoever holds it now."""
    submitted = [result for result in results if result.outcome is Outcome.SUBMITTED]
    ended = [result for result in results if result.move.status in ENDS]
    put_back = [result for result in results if result.move.status is Status.QUEUED]
    if submitted:
        await _record_submissions(connection, submitted, lease, report, settings)
    if ended:
        await _record_ends(connection, ended, lease, report)
    if put_back:
        await _record_put_backs(connection, put_back, lease, report, settings)


async def _record_submissions(
    connection: AsyncConnection[DictRow],
    results: Sequence[Result],
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> None:
    moved = await database.rows(
        connection,
        "record_submissions",
        request_ids=[result.request.request_id for result in results],
        batch_ids=[result.batch_id for result in results],
        adopted=[result.adopted for result in results],
        first_poll_seconds=settings.first_poll_seconds,
        slice_id=lease.slice_id,
        lease_token=lease.token,
    )
    report.count("submitted", len(moved))
    report.count("adopted", sum(result.adopted for result in results))


async def _record_ends(
    connection: AsyncConnection[DictRow], results: Sequence[Result], lease: Lease, report: SliceReport
) -> None:
    ends = [
        End(result.request.request_id, result.move.status, result.stage, result.category, result.description)
        for result in results
    ]
    ended = await bring_to_end(
        connection,
        ends,
        from_status=Status.PROCESSING,
        lease_token=lease.token,
        slice_id=lease.slice_id,
        actor=Job.PROCESSING,
    )
    report.count("ended", len(ended))
    if ended:
        report.tell_ends()


async def _record_put_backs(
    connection: AsyncConnection[DictRow],
    results: Sequence[Result],
    lease: Lease,
    report: SliceReport,
    settings: Settings,
) -> None:
    moved = await database.rows(
        connection,
        "put_back_requests",
        request_ids=[result.request.request_id for result in results],
        stages=[result.move.stage for result in results],
        wait_seconds=[wait_seconds(result, settings) for result in results],
        spends=[result.move.spends_attempt for result in results],
        in_doubt=[result.in_doubt for result in results],
        categories=[result.category for result in results],
        descriptions=[result.description for result in results],
        slice_id=lease.slice_id,
        lease_token=lease.token,
    )
    report.count("put back", len(moved))


def wait_seconds(result: Result, settings: Settings) -> float:
    """How long the request rests before it is due again."""
    match result.move.wait:
        case Wait.SETTLING:
            least = settings.settling_seconds if result.in_doubt else 0.0
            return max(least, result.wait_seconds or 0.0)
        case Wait.OUTAGE:
            jitter = backoff_seconds(1, base=settings.backoff_base_seconds, maximum=settings.backoff_max_seconds)
            return (result.wait_seconds or 0.0) + jitter
        case Wait.BACKOFF:
            return backoff_of(result.stage, result.category, result.request.spent, settings)
        case _:
            return 0.0
