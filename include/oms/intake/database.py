"""The OMS Database for a server with many threads: pooled connections, and a bound on every wait.

Three bounds, each shorter than a client's patience: for a free connection, for a statement (PostgreSQL ends it), and,
a little longer, for an answer at all (see include/oms/base/database.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg.rows import DictRow
from psycopg_pool import ConnectionPool, PoolTimeout

from include.oms.base.database import OF_ROWS, BoundedConnection, NoAnswer, Session
from include.oms.base.queries import query
from include.oms.intake.refusals import DatabaseOutOfReach, StatementTimedOut

CONNECT_TIMEOUT_SECONDS = 3

SHORT_WAIT_SECONDS, SHORT_WAITS_SECONDS = 0.1, 1.0
"""After a wait for a connection that failed, calls wait for a short time only, for one second. In an outage, calls that
queue for a thread would otherwise be answered late, in groups as large as the number of threads."""

log = structlog.get_logger()
R = TypeVar("R")


class _Dead(psycopg.OperationalError):
    """The connection broke, or its server is no longer the primary. A new connection may work."""


OUTAGES = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)  # PoolTimeout is one of the first


class Database:
    """A pool of connections. Every error that passes by itself becomes DatabaseOutOfReach."""

    def __init__(
        self, url: str, *, pool_size: int, pool_timeout_seconds: float, statement_timeout_seconds: float
    ) -> None:
        session = Session("oms-intake", CONNECT_TIMEOUT_SECONDS, statement_timeout_seconds)
        self._pool = ConnectionPool(
            connection_class=BoundedConnection,
            kwargs={**session.parameters(url), **OF_ROWS},
            configure=lambda connection: connection.begin(session),
            min_size=1,
            max_size=pool_size,
            timeout=pool_timeout_seconds,
            reconnect_timeout=1,  # the next call tries again; the pool's own pauses grow to minutes
            name="oms-intake",
            open=False,
        )
        self._scarce_until = 0.0
        self._pool.open(wait=False)

    def rows(self, name: str, /, *, prepare: bool | None = None, **values: Any) -> list[DictRow]:
        """Run the query called ``name`` in a transaction of its own and return all its rows.

        For statements that may run twice: where the connection turns out to be dead (the server was restarted), the
        statement is sent again, once. ``prepare=False`` plans it anew for these very values.
        """
        return self._once_more_if_dead(
            lambda connection: connection.execute(query(name), values, prepare=prepare).fetchall()
        )

    def transaction(self, work: Callable[[psycopg.Connection[DictRow]], R]) -> R:
        """Run several statements in one transaction; ``work`` may run twice, for the same reason."""

        def run(connection: BoundedConnection) -> R:
            with connection.transaction():
                return work(connection)

        return self._once_more_if_dead(run)

    def answers(self) -> bool:
        """Whether the database answers now."""
        try:
            return bool(self.rows("is_there"))
        except DatabaseOutOfReach:
            return False

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _once_more_if_dead(self, work: Callable[[BoundedConnection], R]) -> R:
        """Turn an outage into DatabaseOutOfReach. Other errors pass."""
        try:
            try:
                return self._on_a_connection(work)
            except _Dead:
                self._pool.check()  # the other connections are probably dead, too
                return self._on_a_connection(work)
        except psycopg.errors.QueryCanceled as error:
            log.warning("statement_timed_out")
            raise StatementTimedOut("the OMS Database does not answer in time") from error
        except OUTAGES as error:
            cause = error.__cause__ if isinstance(error, _Dead) else error
            log.warning("database_out_of_reach", error=type(cause).__name__, sqlstate=getattr(cause, "sqlstate", None))
            raise DatabaseOutOfReach("the OMS Database does not answer in time") from cause

    def _on_a_connection(self, work: Callable[[BoundedConnection], R]) -> R:
        """Raises _Dead if the connection is lost. Not ``pool.connection()``, which commits once more."""
        connection = self._free_connection()
        try:
            return work(connection)
        except NoAnswer:
            self._pool.drain()  # the other connections lead to the same silent server; no time is left to try again
            raise
        except psycopg.errors.ReadOnlySqlTransaction as error:
            self._pool.drain()  # a fail-over has made this server a standby
            raise _Dead from error
        except psycopg.OperationalError as error:
            if connection.broken:
                raise _Dead from error
            raise
        finally:
            self._pool.putconn(connection)  # the pool resets it, or replaces it

    def _free_connection(self) -> BoundedConnection:
        is_scarce = time.monotonic() < self._scarce_until
        try:
            return self._pool.getconn(SHORT_WAIT_SECONDS if is_scarce else None)
        except PoolTimeout:
            self._scarce_until = time.monotonic() + SHORT_WAITS_SECONDS
            raise
