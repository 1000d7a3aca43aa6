"""The one way to open a connection to the OMS Database. Every wait on it is bounded on our side.

A server that was replaced without closing its connections never answers again, and its own time-outs are gone with it.
So the client bounds each step itself:

opening     ``connect_timeout``
a statement ``statement_timeout`` on the server, and one second longer on our side (`NoAnswer`)
an idle     TCP keepalives, `tcp_user_timeout`
connection

Session settings are set by SELECT after connecting, because a pooler such as pgbouncer refuses ``options``. A pooler in
transaction mode does not keep them: then the bound on our side alone is sure. docs/operations.md says which part may go
through which mode.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncConnection, Connection
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row

from include.oms.base.limits import CONNECT_TIMEOUT_SECONDS
from include.oms.base.queries import query
from include.oms.base.settings import Settings

Row = Mapping[str, Any]
T = TypeVar("T")

ANSWER_GRACE_SECONDS = 1.0
"""Added to the statement time-out on our side: PostgreSQL's own error, which says more, comes first where it can."""

CANCEL_SECONDS = 1.0
PREPARE_AFTER = 5  # psycopg's own default
OF_ROWS: Any = {"autocommit": True, "row_factory": dict_row}  # each statement its own transaction, each row a dict
IDLE_IN_TRANSACTION_SECONDS = 60.0
"""The server ends a transaction whose client has fallen silent, so that its locks stop nobody for longer."""

RESILIENT = {
    "keepalives": 1,
    "keepalives_idle": 10,  # seconds; a dead peer is noticed after 10 + 3 x 5
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds that sent data may stay unacknowledged
    "target_session_attrs": "read-write",  # after a fail-over, the old primary may still answer as a standby
}

log = logging.getLogger("oms")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer within the bound on our side. The connection is closed."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(f"the OMS Database gave no answer within {seconds} s; the connection is closed")


@dataclass(frozen=True)
class Session:
    """How one part of the system opens its connections, and what it sets in each."""

    application_name: str
    connect_timeout_seconds: float
    statement_timeout_seconds: float = 0  # 0: no bound, as for all below
    lock_timeout_seconds: float = 0
    idle_in_transaction_seconds: float = IDLE_IN_TRANSACTION_SECONDS

    @property
    def answer_seconds(self) -> float | None:
        """Longest wait for an answer on our side; None: without end."""
        return self.statement_timeout_seconds + ANSWER_GRACE_SECONDS if self.statement_timeout_seconds else None

    def parameters(self, url: str) -> dict[str, Any]:
        """libpq's connection parameters. What ``url`` says about one of them wins."""
        return {
            **RESILIENT,
            "connect_timeout": max(round(self.connect_timeout_seconds), 1),
            "application_name": self.application_name,
            **conninfo_to_dict(url),
        }

    @property
    def settings(self) -> dict[str, str]:
        """The values that the query begin_session binds: durations in milliseconds."""
        seconds = {
            "statement_timeout": self.statement_timeout_seconds,
            "lock_timeout": self.lock_timeout_seconds,
            "idle_in_transaction": self.idle_in_transaction_seconds,
        }
        return {name: f"{value * 1000:.0f}" for name, value in seconds.items()}


class BoundedConnection(Connection[DictRow]):
    """A connection that gives up on a server that does not answer. Each statement is a transaction of its own."""

    answer_seconds: float | None = None

    def begin(self, session: Session) -> None:
        """Set the session's settings, and check that they are kept. Raises psycopg.OperationalError."""
        self.answer_seconds = session.answer_seconds
        self.prepare_threshold = None  # until it is known whether there is a pooler
        wanted = self.execute(query("begin_session"), session.settings).fetchone()
        self.prepare_threshold = _prepare_threshold(self, wanted, self.execute(query("session_settings")).fetchone())

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Carry out one exchange with the server. Raises NoAnswer after ``answer_seconds``."""
        try:
            return super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is not None or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            with suppress(psycopg.Error):  # behind a pooler, a server may still be at work on it
                self.cancel_safe(timeout=CANCEL_SECONDS)
            self.pgconn.finish()
            raise NoAnswer(self.answer_seconds) from error


class BoundedAsyncConnection(AsyncConnection[DictRow]):
    """The same for asyncio."""

    answer_seconds: float | None = None

    async def begin(self, session: Session) -> None:
        """Set the session's settings, and check that they are kept. Raises psycopg.OperationalError."""
        self.answer_seconds = session.answer_seconds
        self.prepare_threshold = None  # until it is known whether there is a pooler
        wanted = await (await self.execute(query("begin_session"), session.settings)).fetchone()
        kept = await (await self.execute(query("session_settings"))).fetchone()
        self.prepare_threshold = _prepare_threshold(self, wanted, kept)

    async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ASYNC109 - psycopg's own signature
        """Carry out one exchange with the server. Raises NoAnswer after ``answer_seconds``."""
        try:
            return await super().wait(gen, interval, self.answer_seconds if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if timeout is not None or self.pgconn.transaction_status != TransactionStatus.ACTIVE:
                raise
            with suppress(psycopg.Error):  # behind a pooler, a server may still be at work on it
                await self.cancel_safe(timeout=CANCEL_SECONDS)
            self.pgconn.finish()
            raise NoAnswer(self.answer_seconds) from error


def _prepare_threshold(connection: psycopg.BaseConnection[Any], wanted: Row | None, kept: Row | None) -> int | None:
    """Executions after which a statement is prepared. None behind a pooler, which may hand each transaction to another
    server process. A pooler is recognised by the process id that it announced, which is not the server's."""
    assert wanted
    assert kept
    if lost := [name for name, value in wanted.items() if kept[name] != value]:
        _warn_of_lost_settings(", ".join(lost))
    return PREPARE_AFTER if kept["backend_pid"] == connection.info.backend_pid else None


@cache
def _warn_of_lost_settings(names: str) -> None:
    """Once in a process."""
    log.warning("the session does not keep %s: a pooler in transaction mode? Set them for the role", names)


def job_session(settings: Settings, application_name: str) -> Session:
    """A session with the settings that all parts but the intake share."""
    return Session(
        application_name,
        connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
        statement_timeout_seconds=settings.statement_timeout_seconds,
    )


async def connect(url: str, settings: Settings, *, application_name: str) -> BoundedAsyncConnection:
    """An open connection, each statement its own transaction. Raises psycopg.OperationalError."""
    session = job_session(settings, application_name)
    opened = await BoundedAsyncConnection.connect(**session.parameters(url), **OF_ROWS)
    try:
        await opened.begin(session)
    except BaseException:
        await opened.close()
        raise
    return opened


def connect_blocking(url: str, settings: Settings, *, application_name: str) -> BoundedConnection:
    """The same for code without asyncio."""
    return open_blocking(url, job_session(settings, application_name))


def open_blocking(url: str, session: Session) -> BoundedConnection:
    """Connect and begin the session. Raises psycopg.OperationalError."""
    opened = BoundedConnection.connect(**session.parameters(url), **OF_ROWS)
    try:
        opened.begin(session)
    except BaseException:
        opened.close()
        raise
    return opened


async def rows(connection: AsyncConnection[DictRow], name: str, **values: Any) -> list[DictRow]:
    """Run the query called ``name`` and return all its rows."""
    return await (await connection.execute(query(name), values)).fetchall()


async def execute(connection: AsyncConnection[DictRow], name: str, **values: Any) -> int:
    """Run the query called ``name`` for its effect; the number of rows it changed."""
    return (await connection.execute(query(name), values)).rowcount
