"""The tasks of the kit's jobs: open the connections, call the domain, report."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from include.jobs import doors, reports
from include.jobs.hooks import SingleCallHook, oms_database_url
from include.jobs.notify import NeedsAPerson
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.items.work import claim_items, work_items
from include.oms.slices.claim import Claim, SliceRef
from include.oms.upkeep.duties import note_duty

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

    from include.jobs.kit import ItemDag


def claim(job: ItemDag, dag_run_id: str) -> list[SliceRef]:
    """Claim the slices of this run. Raises AirflowSkipException if nothing is due, NeedsAPerson without Connection."""

    async def claim_all() -> Claim:
        await _check_connection(job)
        async with await database.connect(oms_database_url(), settings(), application_name=job.name) as connection:
            found = await claim_items(connection, job.job(), dag_run_id, settings())
            if job.daily and not found.slices and not found.why_none:
                await note_duty(connection, job.name)
            return found

    return reports.claimed(asyncio.run(claim_all()))


def work(job: ItemDag, a_slice: SliceRef, ti: TaskInstance) -> None:
    """Act on the items of one slice. Raises NeedsAPerson with those that were refused."""
    refused = asyncio.run(_work(job, a_slice["slice_id"], ti))
    reports.need_a_person(a_slice, refused, what="requests were refused; clear this task instance to try them again")


async def _work(job: ItemDag, slice_id: int, ti: TaskInstance) -> list[tuple[int, str]]:
    await _check_connection(job)
    async with (
        await database.connect(oms_database_url(), settings(), application_name=job.name) as connection,
        doors.door(job.system, SingleCallHook(job.connection), settings(), job.name) as door,
    ):
        report = await work_items(
            connection, slice_id, job.job(), generation=ti.max_tries, map_index=ti.map_index or 0, door=door,
            settings=settings(),
        )  # fmt: skip
        reports.worked(report)
        if job.daily and not report.stopped_early:
            await note_duty(connection, job.name)
        found = await database.rows(connection, "refused_items", slice_id=slice_id)
    return [(row["request_id"], row["refused_why"]) for row in found]


async def _check_connection(job: ItemDag) -> None:
    """Raise NeedsAPerson, which says what to do, where Airflow lacks a Connection of the job."""
    for name in (job.connection, *job.also):
        try:
            await BaseHook.aget_connection(name)
        except AirflowNotFoundException as error:
            its_type = " (type HTTP)" if name == job.connection else ""
            raise NeedsAPerson(
                f"Airflow has no Connection {name}: add it under Admin, Connections{its_type}, or set"
                f" AIRFLOW_CONN_{name.upper()}"
            ) from error
