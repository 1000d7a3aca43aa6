"""Databases with a given number of finished requests and the same open work, made by set-based SQL."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from include.oms.base.queries import load

_SQL = load(__package__)
SERIAL = {
    "slices": "slice_id", "runs": "run_id", "document_requests": "request_id", "thunderhead_batches": "batch_key",
    "request_errors": "error_id", "request_timeline": "entry_id", "final_events": "event_seq",
    "operator_actions": "action_id", "bulk_operations": "operation_id",
}  # fmt: skip
TABLES = (
    *SERIAL, "request_payloads", "request_metadata", "batch_payloads", "bulk_operation_answers", "reconciliations",
    "source_system_usage",
)  # fmt: skip
HISTORY = (  # the queries that make it, in the order of their keys
    "history_slices", "history_runs", "history_requests", "history_payloads", "history_metadata", "history_batches",
    "history_xml", "history_errors", "history_timeline", "history_events",
    "history_actions", "history_operations", "history_answers", "history_reconciliations", "history_usage",
)  # fmt: skip
LIVE = {"live_queued": 500, "live_in_flight": 500, "live_outbox": 100}  # the queries that make the open work


def database_name(requests: int) -> str:
    """Name of the database with this number of finished requests."""
    return f"history_{requests}"


def make_history(server_url: str, requests: int, template: str = "oms") -> str:
    """Make a database with this number of finished requests, 500 due ones, 500 in flight and 100 waiting events.

    ``server_url``: the superuser's; ``template``: a migrated database with no requests in it. Returns the database's
    URL. The tables are made new in the transaction that fills them, so PostgreSQL writes no WAL. Indexes are built when
    the rows are there.
    """
    name = database_name(requests)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        connection.execute(made)
    url = make_conninfo(server_url, dbname=name)
    with psycopg.connect(url, autocommit=True) as connection:
        fill_history(connection, requests)
        for name, number in LIVE.items():
            connection.execute(_SQL[name], {"n": number})
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")  # otherwise it may happen during a measurement
    return url


def fill_history(connection: psycopg.Connection[Any], requests: int) -> None:
    """Fill the connection's database with this number of finished requests. The connection must be a superuser's."""
    connection.execute(
        "SET session_replication_role = replica"
    )  # foreign keys are not checked, because the queries make rows that fit
    connection.execute("SET maintenance_work_mem = '256MB'")
    _fill(connection, requests)
    connection.execute("RESET session_replication_role")


def _fill(connection: psycopg.Connection[Any], requests: int) -> None:
    indexes = connection.execute(_SQL["plain_indexes"], {"tables": list(TABLES)}).fetchall()
    with connection.transaction():
        connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(map(sql.Identifier, TABLES))))
        for name, _ in indexes:
            connection.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(name)))
        for name in HISTORY:
            connection.execute(_SQL[name], {"n": requests})
        for _, definition in indexes:
            connection.execute(definition)
    for table, column in SERIAL.items():
        move_on = sql.SQL("SELECT setval(pg_get_serial_sequence({}, {}), coalesce(max({}), 1)) FROM {}")
        connection.execute(
            move_on.format(sql.Literal(table), sql.Literal(column), sql.Identifier(column), sql.Identifier(table))
        )
