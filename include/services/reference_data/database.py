"""The connection pool of the Reference Data API to the OMS Database."""

from __future__ import annotations

from psycopg_pool import AsyncConnectionPool

from include.oms.base.database import OF_ROWS, BoundedAsyncConnection, Session
from include.oms.base.settings import Settings

CONNECT_TIMEOUT_SECONDS = 2
WAIT_SECONDS = 1.0  # for a connection; callers give up after two seconds, so they get the reason before
MOST_CONNECTIONS = 10

Pool = AsyncConnectionPool[BoundedAsyncConnection]


def create_pool(settings: Settings) -> Pool:
    """A pool that opens with the service, even if the database does not answer yet.

    The pool checks a connection before it hands it out, so a restart of the database causes no error.
    """
    session = Session("oms-reference-data", CONNECT_TIMEOUT_SECONDS, settings.statement_timeout_seconds)

    async def begin(connection: BoundedAsyncConnection) -> None:
        await connection.begin(session)

    async def check(connection: BoundedAsyncConnection) -> None:
        """Check the connection, for no longer than a caller waits. Raises psycopg.OperationalError."""
        connection.answer_seconds = WAIT_SECONDS
        await AsyncConnectionPool.check_connection(connection)
        connection.answer_seconds = session.answer_seconds

    return AsyncConnectionPool(
        connection_class=BoundedAsyncConnection,
        kwargs={**session.parameters(settings.database_url), **OF_ROWS},
        configure=begin,
        check=check,
        min_size=1,
        max_size=MOST_CONNECTIONS,
        timeout=WAIT_SECONDS,
        reconnect_timeout=5,
        open=False,
    )
