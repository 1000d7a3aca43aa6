"""The tasks of the kit's jobs: open the connections, call the domain, report."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowNotFoundException, AirflowSkipException

from include.jobs import doors
from include.jobs.hooks import SingleCallHook, oms_database_url
from include.jobs.notify import NeedsAPerson
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.items.work import claim_items, work_items
from include.oms.slices.claim import Claim, SliceRef

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

    from include.jobs.kit import ItemDag

log = logging.getLogger("oms")


def claim(job: ItemDag, dag_run_id: str) -> list[SliceRef]:
    """Claim the slices of this run. Raises AirflowSkipException if nothing is due, NeedsAPerson without Connection."""

    async def claimed() -> Claim:
        await _check_connection(job)
        async with await database.connect(oms_database_url(), settings(), application_name=job.name) as connection:
            return await claim_items(connection, job.job(), dag_run_id, settings())

    found = asyncio.run(claimed())
    for reference in found.slices:
        log.info("claimed slice %s", reference["label"])
    if not found.slices:
        raise AirflowSkipException(found.why_none or "nothing is due")
    return found.slices


def work(job: ItemDag, a_slice: SliceRef, ti: TaskInstance) -> None:
    """Act on the items of one slice. Raises NeedsAPerson with those that were refused."""
    refused = asyncio.run(_work(job, a_slice["slice_id"], ti))
    if refused:
        about = [f"request {request_id}: {why}" for request_id, why in refused]
        log.error("slice %s: %s", a_slice["label"], "; ".join(about))
        raise NeedsAPerson(f"{len(about)} requests were refused; clear this task instance to try them again", about)


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
        log.info("%s", ", ".join(f"{n} {what}" for what, n in report.counts.items()) or "nothing left to do")
        if report.stopped_early:
            log.warning("stopped early: %s. The rest waits for a later run", report.stopped_early)
        found = await database.rows(connection, "refused_items", slice_id=slice_id)
    return [(row["request_id"], row["refused_why"]) for row in found]


async def _check_connection(job: ItemDag) -> None:
    """Raise NeedsAPerson, which says what to do, where Airflow has no such Connection."""
    try:
        await SingleCallHook.aget_connection(job.connection)
    except AirflowNotFoundException as error:
        name = job.connection
        raise NeedsAPerson(
            f"Airflow has no Connection {name}: add it under Admin, Connections (type HTTP), or set"
            f" AIRFLOW_CONN_{name.upper()}"
        ) from error
