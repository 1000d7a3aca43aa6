"""The OMS Database for the console: a connection a call, out of the Airflow Connection ``oms_db``.

No pool: operators are few, and a connection costs milliseconds. The number of connections is bounded, so that many open
dashboards do not take the jobs' connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, TypeAlias

from fastapi import Depends
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import settings

MOST_CONNECTIONS = 8
_gate = asyncio.Semaphore(MOST_CONNECTIONS)


async def database_url() -> str:
    """Its connection string. The import is late, because the hooks take a second."""
    from include.jobs.hooks import oms_database_url

    return await asyncio.to_thread(oms_database_url)


async def connection() -> AsyncIterator[AsyncConnection[DictRow]]:
    """An open connection for one call. Raises psycopg.OperationalError."""
    async with (
        _gate,
        await database.connect(await database_url(), settings(), application_name="oms-console") as opened,
    ):
        yield opened


Db: TypeAlias = Annotated[AsyncConnection[DictRow], Depends(connection)]
