"""Claiming work and taking a slice of it up: what both jobs have in common.

A claim cuts due work into slices. A worker opens its slice: the first one works what was claimed, a later one
takes over what its predecessor held, and one that comes after an operator's clear drives the slice's ended
requests again. Told apart by the generation (Airflow's ``ti.max_tries``), never by the try number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms import database
from include.oms.breaker import REQUESTS_ON_PROBATION, System, health_of
from include.oms.ends import End, red_ends_of_slice
from include.oms.lease import Lease
from include.oms.model import Job
from include.oms.retrigger import retrigger_slice
from include.oms.settings import Settings

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

    ``why_none`` says why it took nothing where an outside system forbids it; ``events_wait`` whether there is
    something to publish all the same.
    """

    slices: list[SliceRef]
    why_none: str | None = None
    events_wait: bool = False


@dataclass
class SliceReport:
    """What a worker did with its slice, for its log and the colour of its task instance.

    ``red_ends`` are the requests that stand at FAILED or STOPPED because of the slice, whichever worker ended them.
    """

    counts: dict[str, int] = field(default_factory=dict)
    red_ends: list[End] = field(default_factory=list)
    stopped_early: str | None = None

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
    if why_not := next((health.why_not for health in healths if health.why_not), None):
        return Claim([], why_not)
    on_probation = any(health.on_probation for health in healths)
    limit = REQUESTS_ON_PROBATION if on_probation else settings.slice_size * settings.max_slices
    found = await database.rows(
        connection,
        "claim_due_requests" if job is Job.PROCESSING else "claim_due_batches",
        dag_run_id=dag_run_id,
        limit=limit,
        slice_size=settings.slice_size,
        lease_seconds=settings.lease_seconds,
    )
    (outbox,) = await database.rows(connection, "events_wait")
    return Claim(_refs(found), events_wait=outbox["events_wait"])


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
    found = await database.rows(connection, "open_slice", slice_id=slice_id, generation=generation, map_index=map_index)
    if not found:
        raise LookupError(f"there is no slice {slice_id}")
    (row,) = found
    lease = Lease(slice_id, row["lease_token"])
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


async def close_slice(connection: AsyncConnection[DictRow], lease: Lease, report: SliceReport) -> None:
    """The worker is through with it; the report gets what its task instance has to be red for."""
    await database.execute(connection, "close_slice", slice_id=lease.slice_id, lease_token=lease.token)
    report.red_ends = await red_ends_of_slice(connection, lease.slice_id)
