"""Keep a copy of every finished PDF: fetch it from Thunderhead, write it into the archive's folder. A job of the kit.

- When: at twenty past every hour, if it is unpaused. The Connections are `oms_db`, `thunderhead_api` and
  `document_archive` (type File; its path is the folder, which all workers share).
- Reads: requests that are COMPLETED and not archived yet.
- Writes: `YYYY/MM/DD/<request id>.pdf`, by the day of the end. What retention erases in OMS stays in the archive, which
  has a retention of its own.
- Red: Thunderhead does not have a document that it made, its answer is no whole PDF, or the folder cannot be written.
  The log names each request.
- Clear: tries again what this slice has not archived. An outage of Thunderhead is no failure: a later run continues.
"""

import asyncio
import os
from functools import cache
from pathlib import Path

from include.jobs.kit import Call, Item, item_job

DUE = """
    SELECT request_id, document_type, to_char(ended_at AT TIME ZONE 'UTC', 'YYYY/MM/DD') AS day,
           (SELECT dms_document_id FROM thunderhead_batches b
            WHERE b.request_id = r.request_id AND b.status = 'COMPLETED' LIMIT 1) AS document_id
    FROM document_requests r
    WHERE status = 'COMPLETED' AND ended_at >= %(begins_at)s AND ended_at < %(ends_at)s
"""


@cache  # a task is a process of its own
def folder() -> Path:
    """The folder of the archive."""
    from airflow.providers.standard.hooks.filesystem import FSHook

    return Path(FSHook("document_archive").get_path())


async def archive(item: Item, call: Call) -> str:
    """Copy one document; return its file. To copy it twice writes the same file."""
    from include.oms.outside.thunderhead import GONE, MOST_BYTES_OF_A_PDF, whole_pdf

    document_id, file = item["document_id"], f"{item['day']}/{item.request_id}.pdf"
    answer = await call(
        "GET", f"/v1/documents/{document_id}", document_type=item["document_type"], expect=GONE,
        max_bytes=MOST_BYTES_OF_A_PDF,
    )  # fmt: skip
    await asyncio.to_thread(write_whole, folder() / file, whole_pdf(answer, document_id))
    return file


def write_whole(file: Path, content: bytes) -> None:
    """Write the file completely or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.part")
    with draft.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


document_archive = item_job(
    "document_archive",
    doc=__doc__,
    schedule="20 * * * *",
    system="THUNDERHEAD",
    connection="thunderhead_api",
    also=("document_archive",),
    due=DUE,
    act=archive,
    look_up=None,
    daily=True,
    tags=("example",),
    paused=True,
    task_ids=("claim_documents", "archive_slice"),
)
