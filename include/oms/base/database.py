"""Talking to the OMS Database: one connection a worker, every statement bounded in time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row

from include.oms.base.limits import CONNECT_TIMEOUT_SECONDS
from include.oms.base.queries import query
from include.oms.base.settings import Settings

Row = Mapping[str, Any]


async def connect(url: str, settings: Settings, *, application_name: str) -> AsyncConnection[DictRow]:
    """An open connection, each statement its own transaction. Raises psycopg.OperationalError."""
    return await AsyncConnection.connect(
        url,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=round(CONNECT_TIMEOUT_SECONDS),
        application_name=application_name,
        # What the jobs read is in memory, or on a disk that does not turn: an index is not to be shunned for its jumps.
        options=f"-c statement_timeout={settings.statement_timeout_seconds * 1000:.0f} -c random_page_cost=1.1",
    )


async def rows(connection: AsyncConnection[DictRow], name: str, **values: Any) -> list[DictRow]:
    """Run the query called ``name`` and return all its rows."""
    return await (await connection.execute(query(name), values)).fetchall()


async def execute(connection: AsyncConnection[DictRow], name: str, **values: Any) -> int:
    """Run the query called ``name`` for its effect; the number of rows it changed."""
    return (await connection.execute(query(name), values)).rowcount
