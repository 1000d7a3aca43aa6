"""What a statement of the jobs reads follows the work, whatever PostgreSQL believes to be in the tables.

Statistics are from before the flood, or from the midst of the last one: a plan that trusts them reads all that is open,
or all that ever was, for each of its calls.
"""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from psycopg.errors import Diagnostic
from psycopg.sql import SQL

from include.local.bench.history_fill import fill_history
from include.oms.base.queries import load
from include.oms.testing.system import Oms
from tests.integration.plans import nodes

HISTORY = 25_000  # requests that have ended long ago: whoever reads them all is found out
FLOOD = 1_000
MOST_ROWS = 6 * FLOOD  # that one statement may read, even one that has to do with all of the flood
# They take what is believed to be a large part of a small table: looking through it is right. Once a claim.
LOOK_THROUGH = {"lock_due_requests", "lock_due_batches"}
EXPLAIN = {
    "log_min_duration": "0",
    "log_analyze": "on",
    "log_timing": "off",
    "log_format": "json",
    "log_level": "notice",
}


class Readings:
    """The rows that each statement has read, told by auto_explain."""

    def __init__(self) -> None:
        self.most: dict[str, int] = {}

    def listen(self, notice: Diagnostic) -> None:
        """Take note of one statement."""
        _, _, text = (notice.message_primary or "").partition("plan:\n")
        if text:
            told = json.loads(text)
            statement, rows = told["Query Text"], sum(rows_read(node) for node in nodes(told["Plan"]))
            self.most[statement] = max(self.most.get(statement, 0), rows)


def rows_read(node: dict[str, Any]) -> int:
    """How many rows a step took out of a table or an index, those included that it then threw away."""
    if "Relation Name" not in node or "Scan" not in node["Node Type"]:
        return 0
    removed = sum(rows for what, rows in node.items() if what.startswith("Rows Removed"))
    return int((node["Actual Rows"] + removed) * node["Actual Loops"])


@pytest.fixture
async def readings(oms: Oms) -> Readings:
    """What the jobs read from now on."""
    found = Readings()
    await oms.connection.execute("LOAD 'auto_explain'")
    for name, value in EXPLAIN.items():
        await oms.connection.execute(SQL("SET auto_explain.{} = {}").format(SQL(name), SQL(value)))
    oms.connection.add_notice_handler(found.listen)
    return found


async def drain(oms: Oms) -> None:
    """Both jobs, until all that is open has ended."""
    while await oms.rows("SELECT FROM document_requests WHERE status IN ('QUEUED', 'PROCESSING') LIMIT 1"):
        await oms.run_processing()
        oms.thunderhead.end("COMPLETED")
        await oms.run_monitoring()
    await oms.connection.execute("UPDATE final_events SET published_at = now() WHERE published_at IS NULL")


async def flood(oms: Oms) -> None:
    """So many requests, queued."""
    await oms.connection.execute(
        """WITH requests AS (
               INSERT INTO document_requests (source_system, request_correlation_id, content_hash, document_type,
                   document_name, document_language, source_environment, client_subject)
               SELECT 'CIBT', gen_random_uuid()::text, '', 'INVOICE', 'IVZRECPA', 'EN', 'DEV', 'test'
               FROM generate_series(1, %s) RETURNING request_id)
           INSERT INTO request_payloads SELECT request_id, '{}' FROM requests""",
        [FLOOD],
    )


async def learn(oms: Oms, what: str) -> None:
    """Let PostgreSQL look, in the midst of an earlier flood."""
    await flood(oms)
    if what == "all is at Thunderhead":
        await oms.run_processing()
    await oms.connection.execute("ANALYZE")
    await drain(oms)


@pytest.mark.parametrize("belief", ["nothing is open", "all is queued", "all is at Thunderhead"])
async def test_what_is_read_follows_the_work(oms: Oms, readings: Readings, belief: str) -> None:
    oms.settings = oms.settings.model_copy(update={"slice_size": FLOOD // 2})
    with psycopg.connect(oms.url, autocommit=True) as connection:
        fill_history(connection, HISTORY)
        connection.execute("VACUUM ANALYZE")
    if belief != "nothing is open":
        await learn(oms, belief)
    readings.most.clear()

    await flood(oms)
    await drain(oms)

    by_first_line = {text.partition("\n")[0]: name for name, text in load("include.oms").items()}
    read = {by_first_line.get(text.partition("\n")[0]): rows for text, rows in readings.most.items()}
    assert {name for name, rows in read.items() if name and rows > MOST_ROWS} <= LOOK_THROUGH
    assert {"write_intents", "record_submissions", "end_batches", "end_requests", "held_requests"} <= read.keys()
