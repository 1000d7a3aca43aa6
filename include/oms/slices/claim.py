"""Claim due work, into new slices of a run or into a worker's slice: whether, and how much. The outside systems decide.

``claim_transaction.py`` carries it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypedDict

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.outside.breaker import REQUESTS_ON_PROBATION, System
from include.oms.outside.rate_limit import Health, health_of
from include.oms.slices.claim_transaction import claim_into_new_slices, claim_into_slice, cut_slice
from include.oms.slices.hold import Hold
from include.oms.slices.slice_time import longest_hold_seconds
from include.oms.slices.timing import RECENTLY_DUE_SECONDS
from include.oms.words.model import Job

NEEDS = {
    Job.PROCESSING: (System.REFERENCE_DATA, System.THUNDERHEAD),
    Job.MONITORING: (System.THUNDERHEAD,),
}


class SliceRef(TypedDict):
    """A slice as Airflow carries it from the claim to the mapped task."""

    slice_id: int
    label: str


def slice_refs(rows: Sequence[DictRow]) -> list[SliceRef]:
    """The slices of a run, out of the rows of their query. They count from 1."""
    return [SliceRef(slice_id=row["slice_id"], label=f"{row['ordinal'] + 1}: {row['label']}") for row in rows]


@dataclass(frozen=True)
class Claim:
    """The slices that a run claimed. ``why_none`` says which outside system forbids a claim, if one does."""

    slices: list[SliceRef]
    why_none: str | None = None


async def claim_slices(connection: AsyncConnection[DictRow], job: Job, dag_run_id: str, settings: Settings) -> Claim:
    """Claim due work for one run of a job; a second call for the same run returns the same slices.

    Claims nothing while an outside system that the job needs is paused or its breaker is open. On probation after an
    outage it claims only a few requests.
    """
    if mine := await database.rows(connection, "slices_of_run", job=job, dag_run_id=dag_run_id):
        return Claim(slice_refs(mine))
    await database.execute(connection, "end_what_is_over")
    healths = [await health_of(connection, system) for system in NEEDS[job]]
    why_not = next((health.why_not for health in healths if health.why_not), None)
    found: list[DictRow] = []
    if not why_not and (slices := await _free_slices(connection, job, settings)):
        seconds = longest_hold_seconds(settings)
        limit = await _in_time(connection, job, healths, settings.slice_size * slices, seconds)
        if any(health.on_probation for health in healths):
            limit = min(limit, REQUESTS_ON_PROBATION)
        found = await claim_into_new_slices(connection, job, dag_run_id, settings, limit=limit, seconds=seconds)
    if not found and job is Job.MONITORING and (label := await _what_comes(connection, why_not, settings)):
        found = [await cut_slice(connection, job, dag_run_id, settings, ordinal=0, size=0, label=label)]
    return Claim(slice_refs(found), why_not)


async def take_more(hold: Hold, job: Job, *, most: int) -> bool:
    """Claim due work into a slice that has a worker already; return whether there was any.

    Claims nothing while a system that the job needs is paused, out or on probation.
    """
    async with hold.lock:
        healths = [await health_of(hold.connection, system) for system in NEEDS[job]]
        if any(health.why_not or health.on_probation for health in healths):
            return False
        seconds = hold.time.seconds_left
        limit = await _in_time(hold.connection, job, healths, min(most, hold.settings.slice_size), seconds)
        return limit > 0 and await claim_into_slice(
            hold.connection, job, hold.lease, hold.settings, limit=limit, seconds=seconds
        )


async def _in_time(
    connection: AsyncConnection[DictRow], job: Job, healths: Sequence[Health], limit: int, seconds: float
) -> int:
    """The most requests that Thunderhead takes within ``seconds`` at its present rate, including those already held."""
    per_second = min((it.per_second for it in healths if it.per_second is not None), default=None)
    if job is not Job.PROCESSING or per_second is None:
        return limit
    (row,) = await database.rows(connection, "requests_in_hands")
    return max(min(limit, ceil(per_second * seconds) - int(row["number"])), 0)


async def work_is_on_its_way(connection: AsyncConnection[DictRow]) -> bool:
    """Whether document_processing holds or will soon claim requests, so that polls become due in a moment."""
    (row,) = await database.rows(connection, "work_is_on_its_way", recently_due_seconds=RECENTLY_DUE_SECONDS)
    return bool(row["on_its_way"])


async def _what_comes(connection: AsyncConnection[DictRow], why_not: str | None, settings: Settings) -> str | None:
    """Reason for a worker of document_monitoring although no poll is due; None if there is none."""
    (outbox,) = await database.rows(connection, "events_are_due")
    if outbox["events_are_due"]:
        return "final events that wait to be published"
    if settings.slice_seconds and not why_not and await work_is_on_its_way(connection):
        return None if await _slices_at_work(connection, Job.MONITORING) else "requests on their way to Thunderhead"
    return None


async def _free_slices(connection: AsyncConnection[DictRow], job: Job, settings: Settings) -> int:
    """Number of slices that may be cut: all if none is at work, else one at a time, up to ``max_slices``.

    A worker that died counts until its lease has run out.
    """
    at_work = await _slices_at_work(connection, job)
    free = max(settings.max_slices - at_work, 0)  # a clear opens slices again, however many are at work
    return min(free, 1) if at_work else free


async def _slices_at_work(connection: AsyncConnection[DictRow], job: Job) -> int:
    (row,) = await database.rows(connection, "slices_at_work", job=job)
    return int(row["at_work"])
