"""Requests with any end, age and error, written directly into the tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from include.oms.testing.system import Oms


def days_ago(days: float) -> datetime:
    """The instant ``days`` days ago."""
    return datetime.now(UTC) - timedelta(days=days)


async def ended(
    oms: Oms, status: str = "FAILED", *, category: str | None = "PROCESSING_ERROR", days: float = 0.01,
    metadata: dict[str, str] | None = None, correlation_id: str | None = None, description: str = "x", **columns: Any,
) -> int:  # fmt: skip
    """Make a request that ended ``days`` days ago, with its end in timeline and outbox. Return its id."""
    at = days_ago(days)
    columns = {"stage": "GENERATION", "created_at": at, **columns}
    (request_id,) = await oms.queued(status=status, revision=1, ended_at=at, attempts=1, **columns)
    values = {
        "id": request_id,
        "status": status,
        "stage": columns["stage"],
        "category": category,
        "at": at,
        "text": description,
    }
    if correlation_id:
        await oms.connection.execute(
            "UPDATE document_requests SET request_correlation_id = %s WHERE request_id = %s",
            (correlation_id, request_id),
        )
    if category:
        await oms.connection.execute(
            """INSERT INTO request_errors (request_id, revision, attempt, stage, category, description)
               VALUES (%(id)s, 1, 1, %(stage)s, %(category)s, %(text)s)""",
            values,
        )
    await oms.connection.execute(
        """INSERT INTO request_timeline (request_id, at, event, actor, detail)
           VALUES (%(id)s, %(at)s, 'ACCEPTED', 'intake', '{}'),
                  (%(id)s, %(at)s, %(status)s, 'test', '{"revision": 1}')""",
        values,
    )
    await oms.connection.execute(
        """INSERT INTO final_events (request_id, revision, event_id, event, created_at, published_at)
           VALUES (%(id)s, 1, event_uuid(%(id)s, 1), '{}', %(at)s, %(at)s)""",
        values,
    )
    for key, value in (metadata or {}).items():
        await oms.connection.execute("INSERT INTO request_metadata VALUES (%s, %s, %s)", (request_id, key, value))
    return request_id


async def batch(oms: Oms, request_id: int, status: str = "COMPLETED", *, attempt: int = 1, **columns: Any) -> int:
    """Make a batch of a request. Return its key. With ``thunderhead_batch_id``, it counts as submitted."""
    row = {
        "request_id": request_id, "attempt": attempt, "batch_name": f"OMS-{request_id}-{attempt}",
        "batch_config_id": "1000", "status": status, "unsure_since": None,
    } | columns  # fmt: skip
    cursor = await oms.connection.execute(
        f"""INSERT INTO thunderhead_batches ({", ".join(row)})
            VALUES ({", ".join(f"%({name})s" for name in row)}) RETURNING batch_key""",  # noqa: S608
        row,
    )
    (made,) = await cursor.fetchall()
    await oms.connection.execute("INSERT INTO batch_payloads VALUES (%s, '<document/>')", (made["batch_key"],))
    return int(made["batch_key"])


async def document(oms: Oms, document_id: int, *, days: float = 0.01, **columns: Any) -> int:
    """Make a completed request with this document id at Thunderhead. Return the request's id."""
    request_id = await ended(oms, "COMPLETED", category=None, days=days, **columns)
    await batch(oms, request_id, thunderhead_batch_id=document_id, dms_document_id=document_id)
    return request_id
