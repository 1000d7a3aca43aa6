"""The tasks of document_archive: open the connections, call the domain, report."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from airflow.providers.standard.hooks.filesystem import FSHook
from airflow.sdk.exceptions import AirflowSkipException

from include.jobs import doors
from include.jobs.hooks import oms_database_url
from include.jobs.notify import NeedsAPerson
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.slices.claim import Claim, SliceRef
from include.oms.upkeep.archive import Documents, archive_slice, claim_documents
from include.oms.upkeep.duties import Duty, note_duty

if TYPE_CHECKING:
    from airflow.sdk.types import RuntimeTaskInstanceProtocol as TaskInstance

ARCHIVE = "document_archive"

log = logging.getLogger("oms")


def claim(dag_run_id: str) -> list[SliceRef]:
    """Claim the slices of this run. Raises AirflowSkipException if there is nothing to archive."""

    async def claimed() -> Claim:
        async with await database.connect(oms_database_url(), settings(), application_name=ARCHIVE) as connection:
            found = await claim_documents(connection, dag_run_id, settings())
            if not found.slices and not found.why_none:
                await note_duty(connection, Duty.ARCHIVE)
            return found

    found = asyncio.run(claimed())
    if not found.slices:
        raise AirflowSkipException(found.why_none or "everything is archived")
    return found.slices


def archive(a_slice: SliceRef, ti: TaskInstance) -> None:
    """Archive the documents of one slice. Raises NeedsAPerson with those that Thunderhead does not return."""
    slice_id, given_up = a_slice["slice_id"], asyncio.run(_archive(a_slice["slice_id"], ti))
    if given_up:
        about = [f"request {request_id}: {why}" for request_id, why in given_up]
        log.error("slice %s: %s", slice_id, "; ".join(about))
        raise NeedsAPerson(f"{len(about)} documents cannot be archived; clear this task instance to try again", about)


async def _archive(slice_id: int, ti: TaskInstance) -> list[tuple[int, str]]:
    async with (
        await database.connect(oms_database_url(), settings(), application_name=ARCHIVE) as connection,
        doors.thunderhead(settings(), caller=ARCHIVE) as thunderhead,
    ):
        report = await archive_slice(
            connection, slice_id, generation=ti.max_tries, map_index=ti.map_index or 0,
            documents=Documents(thunderhead, Path(FSHook(ARCHIVE).get_path())), settings=settings(),
        )  # fmt: skip
        log.info("%s", ", ".join(f"{n} {what}" for what, n in report.counts.items()) or "nothing left to do")
        if report.stopped_early:
            log.warning("stopped early: %s. The rest waits for a later run", report.stopped_early)
        else:
            await note_duty(connection, Duty.ARCHIVE)
        found = await database.rows(connection, "given_up_documents", slice_id=slice_id)
    return [(row["request_id"], row["given_up_why"]) for row in found]
