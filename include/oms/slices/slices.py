"""Claiming work and taking a slice of it up: what both jobs have in common.

A claim cuts due work into slices. A worker opens its slice: the first one works what was claimed, and takes more into
the slice for a while; a later one takes over what its predecessor held, and one that comes after an operator's clear
drives the slice's ended requests again. Told apart by the generation (Airflow's ``ti.max_tries``), never by the try
number. See docs/decisions/0006-workers-stay-a-while.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import TypedDict

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.ending.final_status import End, red_ends_of_slice
from include.oms.ending.retrigger import retrigger_slice
from include.oms.outside.breaker import REQUESTS_ON_PROBATION, System, health_of
from include.oms.slices.claiming import claim_into_new_slices, claim_into_slice, cut_slice
from include.oms.slices.lease import Lease
from include.oms.words.model import Job

NEEDS = {
    Job.PROCESSING: (System.REFERENCE_DATA, System.THUNDERHEAD),
    Job.MONITORING: (System.THUNDERHEAD,),
}


class SliceRef(TypedDict):
    """A slice as Airflow carries it from the claim to the mapped task."""

    slice_id: int
    label: str


@dataclass(frozen=True)
class Claim:
    """What a claim came to.

    ``why_none`` says why it took nothing where an outside system forbids it.
    """

    slices: list[SliceRef]
    why_none: str | None = None


@dataclass
class SliceReport:
    """What a worker did with its slice, for its log and the colour of its task instance.

    ``red_ends`` are the requests that stand at FAILED or STOPPED because of the slice, whichever worker ended them.
    ``tell_ends`` is called after each commit that ended requests.
    """

    tell_ends: Callable[[], None] = lambda: None
    counts: dict[str, int] = field(default_factory=dict)
    red_ends: list[End] = field(default_factory=list)
    stopped_early: str | None = None
    label: str | None = None  # the slice's new name, where it took more than it was cut with

    def count(self, what: str, n: int = 1) -> None:
        """Add to one of the counts."""
        if n:
            self.counts[what] = self.counts.get(what, 0) + n


async def claim_slices(connection: AsyncConnection[DictRow], job: Job, dag_run_id: str, settings: Settings) -> Claim:
    """Claim due work for one run of a job; the same run always gets the same answer.

    Takes nothing while a system that the job needs is paused or out, and only a few requests on probation after.
    """
    if mine := await database.rows(connection, "slices_of_run", job=job, dag_run_id=dag_run_id):
        return Claim(_refs(mine))
    healths = [await health_of(connection, system) for system in NEEDS[job]]
    why_not = next((health.why_not for health in healths if health.why_not), None)
    found: list[DictRow] = []
    if not why_not and (slices := await _free_slices(connection, job, settings)):
        limit = settings.slice_size * slices
        if any(health.on_probation for health in healths):
            limit = min(limit, REQUESTS_ON_PROBATION)
        found = await claim_into_new_slices(connection, job, dag_run_id, settings, limit=limit)
    if not found and job is Job.MONITORING and (label := await _what_comes(connection, why_not, settings)):
        found = [await cut_slice(connection, job, dag_run_id, settings, ordinal=0, size=0, label=label)]
    return Claim(_refs(found), why_not)


async def _what_comes(connection: AsyncConnection[DictRow], why_not: str | None, settings: Settings) -> str | None:
    """Why a worker of document_monitoring is needed although no poll is due; None where it is not."""
    (outbox,) = await database.rows(connection, "events_wait")
    if outbox["events_wait"]:
        return "final events that wait to be published"
    if settings.slice_seconds and not why_not and await work_is_on_its_way(connection):
        return None if await _slices_at_work(connection, Job.MONITORING) else "requests on their way to Thunderhead"
    return None


async def _free_slices(connection: AsyncConnection[DictRow], job: Job, settings: Settings) -> int:
    """How many slices may be cut: all at first, later one at a time, until those at work keep up.

    A worker that died counts until its lease has run out.
    """
    at_work = await _slices_at_work(connection, job)
    free = max(settings.max_slices - at_work, 0)  # a clear opens slices again, however many are at work
    return min(free, 1) if at_work else free


async def _slices_at_work(connection: AsyncConnection[DictRow], job: Job) -> int:
    (row,) = await database.rows(connection, "slices_at_work", job=job)
    return int(row["at_work"])


async def work_is_on_its_way(connection: AsyncConnection[DictRow]) -> bool:
    """Whether document_processing will hand something over to Thunderhead in a moment."""
    (row,) = await database.rows(connection, "work_is_on_its_way")
    return bool(row["on_its_way"])


def _refs(found: list[DictRow]) -> list[SliceRef]:
    return [SliceRef(slice_id=row["slice_id"], label=f"{row['ordinal'] + 1}: {row['label']}") for row in found]


@dataclass(frozen=True)
class OpenedSlice:
    """A slice in the hands of one worker, and how it got there."""

    lease: Lease
    former_token: int
    reopened: bool
    cleared: bool


async def open_slice(
    connection: AsyncConnection[DictRow], slice_id: int, *, generation: int, map_index: int
) -> OpenedSlice:
    """Take the slice up under a token that fences off whoever had it before.

    ``generation`` is the task instance's ``max_tries``. Raises LookupError where there is no such slice.
    """
    asked_at = monotonic()
    found = await database.rows(connection, "open_slice", slice_id=slice_id, generation=generation, map_index=map_index)
    if not found:
        raise LookupError(f"there is no slice {slice_id}")
    (row,) = found
    lease = Lease(slice_id, row["lease_token"], asked_at + (0 if row["reopened"] else row["holds_for_seconds"]))
    return OpenedSlice(lease, row["former_token"], row["reopened"], row["cleared"])


async def take_over(
    connection: AsyncConnection[DictRow],
    opened: OpenedSlice,
    report: SliceReport,
    *,
    reclaim: str,
    hold: str,
    lease_seconds: float,
) -> None:
    """After a crash: take what the former worker held. After a clear: drive what ended red in this slice again.

    By its stage: document_processing holds it for a new attempt at once; what failed in generation goes back to
    document_processing, what failed in monitoring is polled here. ``reclaim`` and ``hold`` name the job's queries.
    """
    lease = opened.lease
    held = {"slice_id": lease.slice_id, "lease_token": lease.token, "lease_seconds": lease_seconds}
    if opened.reopened:
        await database.execute(connection, reclaim, former_token=opened.former_token, **held)
    if opened.cleared:
        async with connection.transaction():
            again = await retrigger_slice(connection, lease.slice_id, actor="airflow:clear")
            await database.execute(connection, hold, request_ids=again, **held)
        report.count("retriggered", len(again))


class Stay:
    """How long a worker stays at its slice and takes more work into it: ``slice_seconds`` in all, and without work only
    ``linger_seconds``. Whoever took a slice over, or works it after a clear, stays for what it holds and no longer."""

    def __init__(self, opened: OpenedSlice, settings: Settings) -> None:
        self._ends_at = -inf if opened.reopened else monotonic() + settings.slice_seconds
        self._linger_seconds = settings.linger_seconds
        self._lingers_until = monotonic() + self._linger_seconds

    @property
    def is_over(self) -> bool:
        """Whether no more work is to be taken."""
        return monotonic() >= self._ends_at

    @property
    def is_idle(self) -> bool:
        """Whether there has been no work for so long that it is not worth waiting for."""
        return monotonic() >= self._lingers_until

    def works(self) -> None:
        """There is work."""
        self._lingers_until = monotonic() + self._linger_seconds


async def take_more(
    connection: AsyncConnection[DictRow], job: Job, lease: Lease, settings: Settings, *, most: int
) -> bool:
    """Claim due work into a slice that has a worker already; whether there was any.

    None while a system that the job needs is paused, out or on probation.
    """
    for system in NEEDS[job]:
        health = await health_of(connection, system)
        if health.why_not or health.on_probation:
            return False
    return most > 0 and await claim_into_slice(connection, job, lease, settings, limit=min(most, settings.slice_size))


async def close_slice(
    connection: AsyncConnection[DictRow], lease: Lease, report: SliceReport, label: str | None = None
) -> None:
    """The worker is through with it; the report gets what its task instance has to be red for.

    ``label`` is the slice's new name, where it took more than it was cut with.
    """
    await database.rows(connection, "close_slice", slice_id=lease.slice_id, lease_token=lease.token, label=label)
    report.label = label
    report.red_ends = await red_ends_of_slice(connection, lease.slice_id)
