"""document_archive: copy finished PDFs from Thunderhead into a folder, each once. The example of docs/add-a-job.md."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.settings import Settings
from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import health_of
from include.oms.outside.thunderhead import Thunderhead
from include.oms.slices.by_day import SLICES_NOTED, note_by_day
from include.oms.slices.claim import Claim, slice_refs
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.report import SliceReport
from include.oms.words.errors import NotInTime, Rejected, Unavailable

QUERIES = HoldQueries(hold="hold_documents", renew="renew_archive_leases")


@dataclass(frozen=True)
class Documents:
    """The source of documents, Thunderhead, and the folder that they are archived in."""

    thunderhead: Thunderhead
    folder: Path


async def claim_documents(connection: AsyncConnection[DictRow], dag_run_id: str, settings: Settings) -> Claim:
    """Claim the slices for one run. The same run always gets the same slices; none if Thunderhead is paused or out."""
    found = await database.rows(connection, "slices_of_run", job="document_archive", dag_run_id=dag_run_id)
    if not found:
        if why_not := (await health_of(connection, System.THUNDERHEAD)).why_not:
            return Claim([], why_not)
        limit = settings.slice_size * settings.max_slices
        await _note_documents(connection, limit * SLICES_NOTED)
        found = await database.rows(
            connection, "claim_documents_to_archive", dag_run_id=dag_run_id, limit=limit,
            slice_size=settings.slice_size, lease_seconds=settings.lease_seconds,
        )  # fmt: skip
    return Claim(slice_refs(found))


async def _note_documents(connection: AsyncConnection[DictRow], limit: int) -> None:
    """Compare requests and archive."""

    async def note(begins_at: datetime, ends_at: datetime, most: int) -> int:
        return await database.execute(
            connection, "note_documents_to_archive", begins_at=begins_at, ends_at=ends_at, limit=most
        )

    await note_by_day(connection, note, limit=limit)


async def archive_slice(
    connection: AsyncConnection[DictRow],
    slice_id: int,
    *,
    generation: int,
    map_index: int,
    documents: Documents,
    settings: Settings,
) -> SliceReport:
    """Archive one slice. An outage stops it early. Raises psycopg.Error, and OSError of the folder."""
    async with held_slice(
        connection, slice_id, queries=QUERIES, generation=generation, map_index=map_index, settings=settings
    ) as hold:
        await _archive(hold, hold.held, documents)
    return hold.report


async def _archive(hold: Hold, held: Sequence[DictRow], documents: Documents) -> None:
    """Fetch with many calls in flight. Documents that cannot be fetched now wait for a later run."""
    for chunk in chunks(held, hold.settings.concurrency):
        results = await asyncio.gather(*(_archive_one(row, documents) for row in chunk))
        files, given_up = [file for file, _ in results], [why for _, why in results]
        await hold.execute(
            "record_archived", request_ids=[row["request_id"] for row in chunk], files=files, given_up=given_up
        )
        hold.report.count("archived", sum(file is not None for file in files))
        hold.report.count("given up", sum(why is not None for why in given_up))
    await documents.thunderhead.door.tell()
    hold.report.stopped_early = documents.thunderhead.door.why_closed


async def _archive_one(row: DictRow, documents: Documents) -> tuple[str | None, str | None]:
    """Return the file and the reason why a person is needed. Both None: a later run tries again."""
    try:
        content = await documents.thunderhead.document(row["dms_document_id"], document_type=row["document_type"])
    except (Unavailable, NotInTime):
        return None, None
    except Rejected as error:
        return None, str(error)
    file = f"{row['ended_at'].astimezone(UTC):%Y/%m/%d}/{row['request_id']}.pdf"
    await asyncio.to_thread(write_whole, documents.folder / file, content)
    return file, None


def write_whole(file: Path, content: bytes) -> None:
    """Write the file completely or not at all. A repeated call writes the same file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
