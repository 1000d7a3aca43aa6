"""No statement looks through the history: each finds its rows by an index, however many requests have ended."""

from __future__ import annotations

import re
from typing import Any

import psycopg
import pytest

from include.oms.base.queries import load
from tests.integration.plans import nodes

QUERIES = load("include.oms")
HISTORY = {
    "document_requests", "request_payloads", "request_metadata", "request_errors", "request_timeline",
    "thunderhead_batches", "batch_payloads", "final_events",
    "archived_documents",
    "job_items",
    "operator_actions", "bulk_operation_answers", "reference_data_history",
}  # fmt: skip
WORK = {"slices", "runs", "bulk_operations"}  # grow, too, but housekeeping may read all of it
PARTIAL = "SELECT indexrelid::regclass::text FROM pg_index WHERE indpred IS NOT NULL"
# With these, PostgreSQL may also choose to look through a table; what it finds at first by an index decides.
BY_CHOICE = {
    "select_requests",  # any filter, or none: newest first
    "what_is_it",  # the first entry of an index, once for each source system
    "what_begins_with",  # the same
    "days_not_reconciled",  # the first entry of an index, once a day
    "last_request_id",  # the last entry of an index, once after a restore
    "leave_ids_behind",  # the same
    "document_types_with_content",  # of the index on just that, each of its types once
}


def plan_of(db: psycopg.Connection, text: str) -> dict[str, Any]:
    """A query's plan for whatever values, by nested loops over indexes wherever that can be: the tables are empty, and
    small tables would be read whole. Skips the test where PostgreSQL plans no statement without values."""
    if db.info.server_version < 160000:
        pytest.skip("EXPLAIN (GENERIC_PLAN) is of PostgreSQL 16")
    for method in ("seqscan", "mergejoin", "hashjoin", "material"):
        db.execute(f"SET enable_{method} = off")
    explained = db.execute("EXPLAIN (GENERIC_PLAN, FORMAT JSON) " + numbered(text)).fetchone()
    assert explained
    plan: dict[str, Any] = explained[0][0]["Plan"]
    return plan


def numbered(text: str) -> str:
    """The text of a query with $1, $2 ... for its values, as PostgreSQL itself takes them."""
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)[sb]", text)))
    return re.sub(r"%\((\w+)\)[sb]", lambda match: f"${names.index(match[1]) + 1}", text).replace("%%", "%")


def looked_through(db: psycopg.Connection, text: str, tables: set[str] = HISTORY) -> set[str]:
    """Those of these tables that a query looks through."""
    partial = {name for (name,) in db.execute(PARTIAL)}
    return tables & {node.get("Relation Name") for node in nodes(plan_of(db, text)) if looks_at_all(node, partial)}


def looks_at_all(node: dict[str, Any], partial: set[str]) -> bool:
    """Whether this step looks at all rows of a table, or at all of an index that has them all."""
    without_a_key = node["Node Type"].startswith("Index") and "Index Cond" not in node
    return node["Node Type"] == "Seq Scan" or (without_a_key and node["Index Name"] not in partial)


def test_rows_are_found_by_an_index(db: psycopg.Connection) -> None:
    scanned = {name: looked_through(db, QUERIES[name]) for name in sorted(QUERIES.keys() - BY_CHOICE)}
    assert {name: tables for name, tables in scanned.items() if tables} == {}


def test_no_statement_of_the_console_looks_through_the_work(db: psycopg.Connection) -> None:
    names = load("include.oms.operators").keys() - BY_CHOICE
    scanned = {name: looked_through(db, QUERIES[name], WORK) for name in sorted(names)}
    assert len(scanned) > 50
    assert {name: tables for name, tables in scanned.items() if tables} == {}


HOURS = 20_000
FEW = 3_000  # rows; the ids of actions are cut with a margin
ASKED = [
    {"until": "15000 hours"}, {"since": "10 hours"}, {"since": "15002 hours", "until": "15000 hours"},
    {"until": "15000 hours", "actor": "airflow:bob"}, {"since": "10 hours", "action": "look"}, {"actor": "airflow:eve"},
]  # fmt: skip


@pytest.mark.parametrize("asked", ASKED)
def test_actions_of_a_time_are_found_without_those_before_and_since(
    db: psycopg.Connection, asked: dict[str, str]
) -> None:
    db.execute(
        """INSERT INTO operator_actions (at, actor, door, action)
           SELECT now() - n * interval '1 hour', (ARRAY['airflow:ada', 'airflow:bob'])[1 + n %% 2], 'console', 'look'
           FROM generate_series(%s, 1, -1) n""",
        [HOURS],
    )
    db.execute("ANALYZE operator_actions")
    (now,) = db.execute("SELECT now()").fetchone() or (None,)
    names = ("actor", "action", "request_id", "since", "until")
    values: dict[str, Any] = dict.fromkeys(names) | {"before_id": 2**63 - 1, "limit": 100} | asked
    for name in ("since", "until"):
        if values[name]:
            (values[name],) = db.execute("SELECT %s - %s::interval", [now, values[name]]).fetchone() or (None,)
    text = f"EXPLAIN (ANALYZE, FORMAT JSON) {QUERIES['operator_actions']}"
    (explained,) = db.execute(text, values).fetchone() or ("",)
    read = [node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in nodes(explained[0]["Plan"])]
    assert sum(read) < FEW, explained


def test_last_error_costs_what_its_statement_costs(db: psycopg.Connection) -> None:
    callers = [name for name, text in QUERIES.items() if "last_error(" in text]
    calls = {name: [node.get("Function Name") for node in nodes(plan_of(db, QUERIES[name]))] for name in callers}
    assert len(calls) > 5
    assert [name for name, functions in calls.items() if "last_error" in functions] == [], "it is a call of its own"
