"""The tasks of document_archive: open the connections, call the domain, report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.standard.hooks.filesystem import FSHook

from include.jobs import doors, reports
from include.jobs.hooks import oms_database_url
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.slices.claim import Claim, SliceRef
from include.oms.upkeep.archive import Documents, archive_slice, claim_documents
from include.oms.upkeep.duties import Duty, note_duty

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

ARCHIVE = "document_archive"


def claim(dag_run_id: str) -> list[SliceRef]:
    """Claim the slices of this run. Raises AirflowSkipException if there is nothing to archive."""

    async def claim_all() -> Claim:
        async with await database.connect(oms_database_url(), settings(), application_name=ARCHIVE) as connection:
            found = await claim_documents(connection, dag_run_id, settings())
            if not found.slices and not found.why_none:
                await note_duty(connection, Duty.ARCHIVE)
            return found

    return reports.claimed(asyncio.run(claim_all()), why_none="everything is archived")


def archive(a_slice: SliceRef, ti: TaskInstance) -> None:
    """Archive the documents of one slice. Raises NeedsAPerson with those that Thunderhead does not return."""
    given_up = asyncio.run(_archive(a_slice["slice_id"], ti))
    reports.need_a_person(a_slice, given_up, what="documents cannot be archived; clear this task instance to try again")


async def _archive(slice_id: int, ti: TaskInstance) -> list[tuple[int, str]]:
    async with (
        await database.connect(oms_database_url(), settings(), application_name=ARCHIVE) as connection,
        doors.thunderhead(settings(), caller=ARCHIVE) as thunderhead,
    ):
        report = await archive_slice(
            connection, slice_id, generation=ti.max_tries, map_index=ti.map_index or 0,
            documents=Documents(thunderhead, Path(FSHook(ARCHIVE).get_path())), settings=settings(),
        )  # fmt: skip
        reports.worked(report)
        if not report.stopped_early:
            await note_duty(connection, Duty.ARCHIVE)
        found = await database.rows(connection, "given_up_documents", slice_id=slice_id)
    return [(row["request_id"], row["given_up_why"]) for row in found]
