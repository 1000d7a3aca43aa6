"""The OMS Database for a server of many threads: pooled connections, and never a wait without an end.

Three bounds, each shorter than a client's patience: for a free connection, for a statement (PostgreSQL ends it), and,
a little longer, for an answer at all - a frozen server keeps no promise of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
import structlog
from psycopg.abc import PQGen
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

from include.oms.base.queries import query
from include.oms.intake.refusals import DatabaseOutOfReach, StatementTimedOut

ANSWER_GRACE_SECONDS = 1.0
"""Beyond the statement time-out: PostgreSQL's own error comes first where it can come."""

SHORT_WAIT_SECONDS, SHORT_WAITS_SECONDS = 0.1, 1.0
"""Who comes within the second after a wait for a connection that was in vain waits a tenth of one only: in an outage
the calls that queue for a thread would else be answered late, in groups as large as there are threads."""

log = structlog.get_logger()
R = TypeVar("R")


class _Dead(psycopg.OperationalError):
    """The connection broke."""


OUTAGES = (psycopg.OperationalError, psycopg.errors.ReadOnlySqlTransaction)  # PoolTimeout is one of the first


class BoundedConnection(psycopg.Connection[DictRow]):
    """A connection that gives up on a server that does not answer."""

    answer_seconds: float | None = None

    def wait(self, gen: PQGen[R], interval: float = 0.1, timeout: float | None = None) -> R:
        """Carry out one exchange with the server. Raises OperationalError after ``answer_seconds``."""
        return super().wait(gen, interval, timeout or self.answer_seconds)


class Database:
    """A pool of connections. Every error that says "not now" becomes DatabaseOutOfReach."""

    def __init__(
        self, url: str, *, pool_size: int, pool_timeout_seconds: float, statement_timeout_seconds: float
    ) -> None:
        self._answer_seconds = statement_timeout_seconds + ANSWER_GRACE_SECONDS
        self._pool = ConnectionPool(
            url,
            connection_class=BoundedConnection,
            kwargs={
                "autocommit": True,  # one statement, one transaction
                "row_factory": dict_row,
                "application_name": "oms-intake",
                "connect_timeout": 3,
                "options": f"-c statement_timeout={statement_timeout_seconds * 1000:.0f}",
            },
            configure=self._configure,
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

        To be used for statements that may run twice: where the connection turns out to be dead (the server was
        restarted), the statement is sent again, once. ``prepare=False`` plans it anew for these very values.
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
        """Let all connections go."""
        self._pool.close()

    def _configure(self, connection: BoundedConnection) -> None:
        connection.answer_seconds = self._answer_seconds

    def _once_more_if_dead(self, work: Callable[[BoundedConnection], R]) -> R:
        """An outage becomes DatabaseOutOfReach; a mistake of ours stays what it is."""
        try:
            try:
                return self._on_a_connection(work)
            except _Dead:
                self._pool.check()  # its neighbours are as dead
                return self._on_a_connection(work)
        except psycopg.errors.QueryCanceled as error:
            log.warning("statement_timed_out")
            raise StatementTimedOut("the OMS Database does not answer in time") from error
        except OUTAGES as error:
            cause = error.__cause__ if isinstance(error, _Dead) else error
            log.warning("database_out_of_reach", error=type(cause).__name__, sqlstate=getattr(cause, "sqlstate", None))
            raise DatabaseOutOfReach("the OMS Database does not answer in time") from cause

    def _on_a_connection(self, work: Callable[[BoundedConnection], R]) -> R:
        """Raises _Dead where the connection is gone. Not ``pool.connection()``: that commits what has committed."""
        connection = self._free_connection()
        try:
            return work(connection)
        except psycopg.OperationalError as error:
            if connection.broken:
                raise _Dead from error
            raise
        finally:
            self._pool.putconn(connection)  # mended or replaced, whatever has happened to it

    def _free_connection(self) -> BoundedConnection:
        is_scarce = time.monotonic() < self._scarce_until
        try:
            return self._pool.getconn(SHORT_WAIT_SECONDS if is_scarce else None)
        except PoolTimeout:
            self._scarce_until = time.monotonic() + SHORT_WAITS_SECONDS
            raise
