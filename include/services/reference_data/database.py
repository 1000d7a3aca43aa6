"""The OMS Database, as this service uses it."""

from __future__ import annotations

from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from include.oms.base.settings import Settings

WAIT_SECONDS = 1.0  # for a connection; callers give up after two seconds, and should hear why before
MOST_CONNECTIONS = 10

Connection = AsyncConnection[DictRow]
Pool = AsyncConnectionPool[Connection]


def create_pool(settings: Settings) -> Pool:
    """A pool that opens with the service, whether the database is there yet or not.

    Each session counts its days in UTC and has the time-out of its statements; a connection is tried before it is
    handed out, so a restart of the database costs nobody an error.
    """
    milliseconds = int(settings.statement_timeout_seconds * 1000)
    options: dict[str, Any] = {
        "autocommit": True,
        "row_factory": dict_row,
        "connect_timeout": 2,
        "options": f"-c statement_timeout={milliseconds} -c timezone=UTC",
    }
    return AsyncConnectionPool(
        settings.database_url,
        connection_class=AsyncConnection[DictRow],
        kwargs=options,
        min_size=1,
        max_size=MOST_CONNECTIONS,
        timeout=WAIT_SECONDS,
        reconnect_timeout=5,
        check=AsyncConnectionPool.check_connection,
        open=False,
    )
