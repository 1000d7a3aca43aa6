"""docs/sandbox.md says what truly happens: every value is sent through the jobs' own code to the real simulator."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from include.oms.base.settings import Settings
from include.oms.testing.system import QUICK, Oms, running
from include.services.thunderhead.fates import SANDBOX
from tests.integration.clients.markdown import page, rows
from tests.integration.services.conftest import TOKEN, running_thunderhead

TABLE = {row[0]: row for row in rows(page("sandbox.md"), "[A-Z_]+")}
TOO_SLOW = {"SLOW"}  # half a minute


@pytest.fixture
async def oms(oms_database_url: str, tmp_path: Path) -> AsyncIterator[Oms]:
    """The jobs, with the simulator as their Thunderhead."""
    in_time = {"poll_timeout_seconds": 5, "submit_timeout_seconds": 5, "settling_seconds": 10, "lease_seconds": 30}
    settings = Settings(database_url=oms_database_url, **QUICK | in_time)
    with running_thunderhead(tmp_path, OMS_THUNDERHEAD_GENERATION_SECONDS="0") as simulator:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with running(
            oms_database_url, settings, thunderhead_url=simulator.service.url, headers=headers
        ) as system:
            yield system


def test_every_value_is_on_the_page() -> None:
    assert TABLE.keys() == SANDBOX.keys()
    assert f"{SANDBOX['SLOW'].generation_seconds:.0f} seconds" in TABLE["SLOW"][1]
    assert {value for value, row in TABLE.items() if "once" in row[1] or "first" in row[1]} == {
        value for value, fate in SANDBOX.items() if fate.first_n == 1
    }


async def test_every_value_ends_as_the_page_says(oms: Oms) -> None:
    sent = {}
    for value in TABLE.keys() - TOO_SLOW:
        (sent[value],) = await oms.queued()
        content = json.dumps({"Document": {"deep": [{"sandbox": value}]}})
        await oms.connection.execute(
            "UPDATE request_payloads SET content = %s WHERE request_id = %s", [content, sent[value]]
        )
    until = time.monotonic() + 30
    while open_ones := await oms.rows("SELECT request_id FROM document_requests WHERE ended_at IS NULL"):
        assert time.monotonic() < until
        if [row["request_id"] for row in open_ones] == [sent["NEVER"]]:
            await oms.connection.execute(
                "UPDATE thunderhead_batches SET submitted_at = submitted_at - interval '1 day', asked_seconds = 90000"
            )
        for run in (oms.run_processing, oms.run_monitoring):
            await oms.due_now()
            await run()

    events = {row["request_id"]: row["event"]["data"] for row in await oms.events()}
    for value, request_id in sent.items():
        _, _, ends, error, attempts = TABLE[value]
        told = events[request_id]
        last = told["errors"][-1] if told["errors"] else None
        assert told["status"] == ends.split(",")[0], value
        assert told["attempts"] == int(attempts[0]), value
        assert error == (f"{last['stage']}, {last['category']}" if last else "none"), value
