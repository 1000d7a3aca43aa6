"""Alembic's entry: one connection to OMS_DATABASE_URL, one transaction a migration, and no long wait for a lock.

After an upgrade to the head, each role of grants.sql that the server knows has the rights that stand there, and no
others.

A statement that waits for a table lock blocks all other sessions on that table. So a migration gives up after half a
second, lets the others continue, and tries again. It can wait behind a long transaction (a pg_dump, a report) without
stopping the intake. Committed migrations are not repeated.
"""

import logging
import time

import psycopg
from alembic import context
from psycopg.rows import tuple_row
from sqlalchemy import Engine, create_engine, event, pool
from sqlalchemy.exc import DBAPIError

from include.oms.base.database import Session, open_blocking
from include.oms.base.queries import load, query
from include.oms.base.settings import settings
from include.oms.outside.systems import known_systems

LOCK_SECONDS = 0.5
PAUSE_SECONDS = 2.0
GIVE_UP_SECONDS = 900.0
SESSION = Session("oms-migrations", connect_timeout_seconds=10, lock_timeout_seconds=LOCK_SECONDS)
IN_THE_WAY = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)

log = logging.getLogger("oms")


def connect() -> psycopg.Connection:
    """A connection for SQLAlchemy: with transactions, and with tuples as rows."""
    connection: psycopg.Connection = open_blocking(settings().database_url, SESSION)  # type: ignore[assignment]
    connection.autocommit = False
    connection.row_factory = tuple_row
    return connection


def engine() -> Engine:
    """An engine that opens a new connection for each use."""
    made = create_engine("postgresql+psycopg://", creator=connect, poolclass=pool.NullPool)

    # CREATE INDEX CONCURRENTLY waits for all open transactions, and does not block them. It gets no lock time-out.
    @event.listens_for(made, "before_cursor_execute")
    def _be_patient(_connection, cursor, statement, *_):  # type: ignore[no-untyped-def]
        if " CONCURRENTLY " in statement:
            cursor.execute("SET lock_timeout = 0")

    @event.listens_for(made, "after_cursor_execute")
    def _be_impatient(_connection, cursor, statement, *_):  # type: ignore[no-untyped-def]
        if " CONCURRENTLY " in statement:
            cursor.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")

    return made


def run() -> None:
    """Apply the requested migrations. Raises the error of the last try after ``GIVE_UP_SECONDS``."""
    give_up_at = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            _run_once()
        except DBAPIError as error:
            if not isinstance(error.orig, IN_THE_WAY) or time.monotonic() > give_up_at:
                raise
            log.warning("another session holds a lock; trying again. Long transactions: %s", _long_transactions())
            time.sleep(PAUSE_SECONDS)
        else:
            return


def _run_once() -> None:
    with engine().connect() as connection:
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
        at_head = set(context.get_context().get_current_heads()) == set(context.script.get_heads())
        is_upgrade = "destination_rev" in context.get_context().opts
    if at_head:
        _add_outside_systems()
    if at_head and is_upgrade:
        _grant()


def _add_outside_systems() -> None:
    """A line of systems.toml is a row, once its table is there: a new system needs no migration."""
    with open_blocking(settings().database_url, SESSION) as connection:
        connection.execute(query("add_outside_systems"), {"systems": list(known_systems())})


def _grant() -> None:
    """Give each part's role its rights, in one transaction: whoever works meanwhile is never without them."""
    with open_blocking(settings().database_url, SESSION) as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('oms grants'))")  # two GRANTs at a time would fail
        known = {row["rolname"] for row in connection.execute("SELECT rolname FROM pg_roles")}
        for role, grants in load("include.migrations").items():
            if role in known:
                for row in connection.execute(query("revokes"), {"role": role}).fetchall():
                    connection.execute(row["revoke"])
                connection.execute(grants)


def _long_transactions() -> str:
    with open_blocking(settings().database_url, SESSION) as connection:
        found = connection.execute(query("long_transactions")).fetchall()
    return "; ".join(f"pid {row['pid']} {row['application_name']}, {row['seconds']} s" for row in found) or "none"


run()
