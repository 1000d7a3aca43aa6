"""After its retention nothing of a person is left: a marker is planted in each foreign field, and searched in all."""

from __future__ import annotations

import json
import logging

import pytest

from include.oms.testing.made import days_ago
from include.oms.testing.outside import problem
from include.oms.testing.system import Oms
from include.oms.upkeep.housekeeping import erase_content

MARKER = "Jane Q. Marker"
TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


async def found_in(oms: Oms) -> dict[str, str]:
    """Every table that holds the marker, with a row of it."""
    found = {}
    for table in [row["relname"] for row in await oms.rows(TABLES)]:
        sql = f"SELECT to_jsonb(t)::text AS row FROM {table} t WHERE to_jsonb(t)::text LIKE %s"
        if rows := await oms.rows(sql, f"%{MARKER}%"):
            found[table] = rows[0]["row"][:200]
    return found


async def planted(oms: Oms) -> int:
    """A request whose client and whose Thunderhead say the marker wherever they can say anything."""
    (request_id,) = await oms.queued(1, origin_user=MARKER)
    await oms.connection.execute("INSERT INTO request_metadata VALUES (%s, 'CUSTOMER', %s)", (request_id, MARKER))
    await oms.connection.execute(
        "UPDATE request_payloads SET content = %s WHERE request_id = %s", (json.dumps({"name": MARKER}), request_id)
    )
    await oms.connection.execute(
        """INSERT INTO request_timeline (request_id, event, actor, detail)
           VALUES (%s, 'ACCEPTED', 'intake', jsonb_build_object('origin_user', %s::text))""",
        (request_id, MARKER),
    )
    return request_id


@pytest.mark.parametrize("category", ["VALIDATION_ERROR", "PROCESSING_ERROR"])
async def test_nothing_of_a_person_is_left(oms: Oms, category: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request_id = await planted(oms)
    for _ in range(oms.settings.max_attempts):
        await oms.run_processing()
        oms.thunderhead.end("FAILED", category=category, description=f"customer {MARKER} has no IBAN")
        await oms.due_now()
        await oms.run_monitoring()
        await oms.due_now()
    assert (await oms.request(request_id))["status"] == "FAILED"
    tables = {"document_requests", "request_payloads", "request_metadata", "request_errors", "request_timeline"}
    assert set(await found_in(oms)) >= tables | {"batch_payloads", "final_events"}, "it is planted everywhere"

    await oms.connection.execute("UPDATE document_requests SET ended_at = %s", (days_ago(100),))
    assert await erase_content(oms.connection, oms.settings) == 1

    assert await found_in(oms) == {}
    assert MARKER not in caplog.text
    (row,) = await oms.rows("SELECT event FROM final_events")
    (error, *_) = row["event"]["data"]["errors"]
    assert (error["category"], error["description"]) == (category, "erased"), "the skeleton stays"


async def test_what_a_refused_submit_quotes_goes_too(oms: Oms) -> None:
    await planted(oms)
    oms.thunderhead.submit_answers.append(problem(422, {"X-Reason": MARKER}))
    await oms.run_processing()
    await oms.connection.execute("UPDATE document_requests SET ended_at = %s", (days_ago(100),))
    assert await erase_content(oms.connection, oms.settings) == 1
    assert await found_in(oms) == {}
