"""document_archive: finished PDFs out of Thunderhead into a folder, each once. The example of docs/add-a-job.md."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import aiohttp
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.chunks import chunks
from include.oms.base.settings import Settings
from include.oms.outside.breaker import Breaker, System, health_of
from include.oms.outside.rate_limit import places_in_line
from include.oms.outside.transport import Transport
from include.oms.slices.claim import Claim, SliceRef
from include.oms.slices.hold import Hold, HoldQueries, held_slice
from include.oms.slices.report import SliceReport
from include.oms.words.errors import Rejected, Unavailable

QUERIES = HoldQueries(renew="renew_archive_leases")
MOST_BYTES = 64 * 1024 * 1024  # of one PDF
COMPARE_SECONDS = 30.0  # of the claim's two minutes
SLICES_NOTED = 20  # of documents a run takes note of, in runs' worth: it catches up quickly, and each look is bounded


@dataclass(frozen=True)
class Documents:
    """Where documents come from, Thunderhead, and the folder they go to."""

    thunderhead: Transport
    folder: Path


async def claim_documents(connection: AsyncConnection[DictRow], dag_run_id: str, settings: Settings) -> Claim:
    """The slices for one run; the same run always gets the same answer. None while Thunderhead is paused or out."""
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
    return Claim([SliceRef(slice_id=row["slice_id"], label=f"{row['ordinal'] + 1}: {row['label']}") for row in found])


async def _note_documents(connection: AsyncConnection[DictRow], limit: int) -> None:
    """Compare requests and archive day by day (UTC), the newest day first, for ``COMPARE_SECONDS`` at most.

    Nothing is remembered of earlier runs: what was committed late, or under a clock that was wrong, is found as well.
    """
    (first,) = await database.rows(connection, "first_end_at")
    if first["at"] is None:
        return
    give_up_at, noted = monotonic() + COMPARE_SECONDS, 0
    begins_at = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ends_at = datetime.max.replace(tzinfo=UTC)  # another machine's clock may be ahead
    while noted < limit and ends_at > first["at"] and monotonic() < give_up_at:
        noted += await database.execute(
            connection, "note_documents_to_archive", begins_at=begins_at, ends_at=ends_at, limit=limit - noted
        )
        begins_at, ends_at = begins_at - timedelta(days=1), begins_at


async def archive_slice(
    connection: AsyncConnection[DictRow],
    slice_id: int,
    *,
    generation: int,
    map_index: int,
    documents: Documents,
    settings: Settings,
) -> SliceReport:
    """Archive one slice to its end, or until an outage stops it early. Raises psycopg.Error, the folder's OSError."""
    async with held_slice(
        connection, slice_id, queries=QUERIES, generation=generation, map_index=map_index, settings=settings
    ) as hold:
        held = await hold.rows("hold_documents", lease_seconds=settings.lease_seconds)
        await _archive(hold, held, documents)
    return hold.report


async def _archive(hold: Hold, held: Sequence[DictRow], documents: Documents) -> None:
    """With many calls in flight, within the rate limit; what the breaker keeps back waits for a later run."""
    connection, settings = hold.connection, hold.settings
    health = await health_of(connection, System.THUNDERHEAD)
    breaker = Breaker(System.THUNDERHEAD, on_probation=health.on_probation)
    for chunk in chunks(held, settings.concurrency):
        await breaker.heed(connection)
        if not breaker.is_open:
            types = [row["document_type"] for row in chunk]
            await asyncio.sleep(max(await places_in_line(connection, System.THUNDERHEAD, types)))
        results = await asyncio.gather(*(_archive_one(row, breaker, documents, settings) for row in chunk))
        files, given_up = [file for file, _ in results], [why for _, why in results]
        await hold.execute(
            "record_archived", request_ids=[row["request_id"] for row in chunk], files=files, given_up=given_up
        )
        hold.report.count("archived", sum(file is not None for file in files))
        hold.report.count("given up", sum(why is not None for why in given_up))
    await breaker.share(connection)
    if breaker.is_open:
        hold.report.stopped_early = f"Thunderhead: {breaker.reason}"


async def _archive_one(
    row: DictRow, breaker: Breaker, documents: Documents, settings: Settings
) -> tuple[str | None, str | None]:
    """The file it is in, or why a person is needed; neither: it is tried again by a later run."""
    if breaker.is_open:
        return None, None
    try:
        content = await fetch_document(documents, row["dms_document_id"], settings.poll_timeout_seconds)
    except Unavailable as error:
        breaker.failed(str(error), error.retry_after)
        return None, None
    except Rejected as error:
        breaker.answered()
        return None, str(error)
    breaker.answered()
    file = f"{row['ended_at'].astimezone(UTC):%Y/%m/%d}/{row['request_id']}.pdf"
    await asyncio.to_thread(write_whole, documents.folder / file, content)
    return file, None


async def fetch_document(documents: Documents, document_id: int, timeout_seconds: float) -> bytes:
    """A finished PDF. Raises Unavailable (ask again), Rejected (it is not there, or none). GET /v1/documents/{id}."""
    try:
        answer = await documents.thunderhead(
            "GET", f"/v1/documents/{document_id}", timeout_seconds=timeout_seconds, max_bytes=MOST_BYTES
        )
    except (TimeoutError, aiohttp.ClientError) as error:
        raise Unavailable(f"no answer: {type(error).__name__}") from error
    if answer.status in (404, 410):
        raise Rejected(f"Thunderhead has no document {document_id}: {answer.status}")
    if answer.status != 200:
        raise Unavailable(f"answered {answer.status}", retry_after=answer.retry_after)
    if answer.body is None:
        raise Rejected(f"document {document_id} is larger than {MOST_BYTES} bytes")
    if not answer.body.startswith(b"%PDF"):
        raise Rejected(f"document {document_id} is no PDF")
    return answer.body


def write_whole(file: Path, content: bytes) -> None:
    """Write the file whole or not at all; a repeat writes the same."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)
