"""Complete runs: a closed run whose requests have all ended gets its event, once."""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import DictRow

from include.oms.base.queries import query

MOST_RUNS_A_STATEMENT = 20


def complete_run(connection: Connection[DictRow], run_id: int | None, topic: str) -> int:
    """Complete this run, or all (None), if it is closed and has no open request; the number that completed.

    Its event goes into the outbox in the same statement, for ``topic``.
    """
    values = {"run_id": run_id, "topic": topic, "limit": MOST_RUNS_A_STATEMENT}
    return connection.execute(query("complete_runs"), values).rowcount
