"""The rows of the OMS Database, the second of the four ledgers, and the progress of the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row

CONNECT_SECONDS = 3
PUBLISHING_SECONDS = 20  # longer than a publisher holds its transaction


class Progress(NamedTuple):
    """The progress of the work."""

    stored: int
    ended: int
    events_waiting: int
    runs_open: int


class Rows(NamedTuple):
    """All rows that count, each as a named tuple of the columns selected below."""

    requests: list[Any]
    batches: list[Any]
    events: list[Any]
    happened: dict[str, int]  # number of timeline entries by event
    runs: Sequence[Any] = ()


class RedSlice(NamedTuple):
    """A closed slice with requests that ended red."""

    job: str
    dag_run_id: str
    map_index: int


def red_slices(url: str) -> list[RedSlice]:
    """All of them, the oldest first. Raises psycopg.Error."""
    with _connected(url) as connection:
        found = connection.execute(
            "SELECT job, dag_run_id, map_index FROM slices s WHERE closed_at IS NOT NULL AND map_index IS NOT NULL AND"
            " EXISTS (SELECT FROM document_requests r WHERE r.slice_id = s.slice_id"
            "         AND r.status IN ('FAILED', 'STOPPED'))"
            " ORDER BY slice_id"
        ).fetchall()
    return [RedSlice(*row) for row in found]


def progress(url: str) -> Progress | None:
    """Counts of this moment; None while the database cannot be asked."""
    try:
        with _connected(url) as connection:
            row = connection.execute(
                "SELECT (SELECT count(*) FROM document_requests) AS stored,"
                " (SELECT count(*) FROM document_requests WHERE ended_at IS NOT NULL) AS ended,"
                " (SELECT count(*) FROM final_events WHERE published_at IS NULL) AS waiting,"
                " (SELECT count(*) FROM runs WHERE completed_at IS NULL) AS runs_open"
            ).fetchone()
    except psycopg.Error:
        return None
    return Progress(*row) if row else None


def newest_event(url: str) -> int:
    """The number of the last final event; 0 without any. Raises psycopg.Error."""
    with _connected(url) as connection:
        return int(_one(connection.execute("SELECT coalesce(max(event_seq), 0) FROM final_events")))


def events_wait(url: str, *, to: int, but_for: str) -> bool:
    """Whether an event up to this number still waits, those of a topic left out. Raises psycopg.Error."""
    with _connected(url) as connection:
        waiting = connection.execute(
            "SELECT EXISTS (SELECT FROM final_events WHERE published_at IS NULL AND event_seq <= %s"
            " AND topic IS DISTINCT FROM %s)",
            [to, but_for],
        )
        return bool(_one(waiting))


def read_rows(url: str) -> Rows:
    """The whole ledger. Raises psycopg.Error."""
    with _connected(url) as connection:
        return Rows(
            connection.execute(
                "SELECT request_id, source_system, request_correlation_id, status, revision, (SELECT concat_ws("
                " ' ', e.stage, e.category, e.description) FROM request_errors e WHERE e.request_id = r.request_id"
                " ORDER BY e.error_id DESC LIMIT 1) AS last_error FROM document_requests r"
            ).fetchall(),
            connection.execute("SELECT request_id, batch_name, status FROM thunderhead_batches").fetchall(),
            connection.execute(
                "SELECT request_id, revision, event_id::text, event, set_aside_reason FROM final_events"
                " WHERE run_id IS NULL"
            ).fetchall(),
            dict(connection.execute("SELECT event, count(*) FROM request_timeline GROUP BY event").fetchall()),
            connection.execute(
                "SELECT run_id, completed_at, missing, expected, received, completed, failed, stopped, withdrawn"
                " FROM run_progress"
            ).fetchall(),
        )


@contextmanager
def nobody_publishes(url: str) -> Iterator[None]:
    """While the block runs no publisher has events in hand, and none can take any. Raises psycopg.Error."""
    with _connected(url) as connection, connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{PUBLISHING_SECONDS}s'")
        connection.execute("LOCK TABLE final_events IN EXCLUSIVE MODE")
        yield


def _one(cursor: psycopg.Cursor[Any]) -> Any:
    row = cursor.fetchone()
    assert row
    return row[0]


def _connected(url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(url, connect_timeout=CONNECT_SECONDS, row_factory=namedtuple_row)
