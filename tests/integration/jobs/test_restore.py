"""A back-up is taken while the system works, the system goes on, and then the back-up is all that is left of it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from include.jobs.testing import Airflow
from include.local.postgres import programs
from include.oms.base import database
from include.oms.ending.retrigger import retrigger_requests
from include.oms.testing.outside import cut
from include.oms.testing.postgres import ROOT, create_database, database_url
from include.oms.testing.system import Oms
from include.oms.upkeep.after_restore import IDS_LEFT_BEHIND, CaughtUp, catch_up
from include.oms.words.model import Job

RESUME = "UPDATE outside_systems SET paused_at = NULL, paused_by = NULL, paused_why = NULL"
RED = {"category": "VALIDATION_ERROR", "description": "no"}


def run(program: str, *arguments: str) -> None:
    """One of PostgreSQL's programs, of the server's own version."""
    subprocess.run([str(programs() / program), *arguments], check=True, capture_output=True)


@asynccontextmanager
async def restored(oms: Oms, file: Path, server_url: str) -> AsyncIterator[Oms]:
    """The system on a new database out of the back-up, beside the same Thunderhead."""
    create_database(server_url, "restored", template="template0")
    url = database_url(server_url, "restored")
    try:
        run("pg_restore", "--dbname", url, "--exit-on-error", "--no-owner", str(file))
        async with await database.connect(url, oms.settings, application_name="test") as connection:
            yield replace(oms, connection=connection, url=url, runs=1000)
    finally:
        async with await database.connect(server_url, oms.settings, application_name="test") as connection:
            await connection.execute("DROP DATABASE restored WITH (FORCE)")


@dataclass
class Past:
    """What was so when the back-up was taken, and what came after it."""

    known: set[int]
    late: list[int]  # requests accepted after it
    events: dict[tuple[int, int], str]  # ids by request and revision, all there ever were


def event_ids(rows: list[Any]) -> dict[tuple[int, int], str]:
    return {(row["request_id"], row["revision"]): row["event_id"] for row in rows}


async def run_once(oms: Oms, generated: str = "COMPLETED", **errors: str) -> None:
    """A run of each job; Thunderhead ends what it has."""
    await oms.due_now()
    await oms.run_processing()
    oms.thunderhead.end(generated, **errors)
    await oms.due_now()
    await oms.run_monitoring()


async def live_and_back_up(oms: Oms, file: Path) -> Past:
    """One request in each state there is, then the back-up, then each of them goes on."""
    completed, red = await oms.queued(2)
    await oms.run_processing()
    oms.thunderhead.end("COMPLETED", where=lambda it: it["batchName"] == f"OMS-{completed}-1")
    oms.thunderhead.end("FAILED", **RED)
    await oms.due_now()
    await oms.run_monitoring()
    at_thunderhead = await oms.queued(2)
    await oms.run_processing()
    in_doubt = await oms.queued()
    oms.thunderhead.answers_after_effect = [cut]
    await oms.run_processing()
    held = await oms.queued()
    await oms.claim(Job.PROCESSING)
    waiting = await oms.queued(2)

    run("pg_dump", "--format=custom", "--file", str(file), oms.url)

    await retrigger_requests(oms.connection, [red], actor="an operator")
    oms.thunderhead.end(
        "FAILED", category="PROCESSING_ERROR", description="busy",
        where=lambda it: it["batchName"] == f"OMS-{at_thunderhead[0]}-1",
    )  # fmt: skip
    late = await oms.queued(2)
    await oms.workers_die()
    await oms.due_now()
    await oms.run_monitoring()  # one of the two gets its second attempt, the other is not ended yet
    for _ in range(3):
        await run_once(oms)
    assert not await oms.rows("SELECT FROM document_requests WHERE ended_at IS NULL")
    assert not oms.thunderhead.doubled()
    known = {completed, red, *at_thunderhead, *in_doubt, *held, *waiting}
    return Past(known, late, event_ids(await oms.events()))


async def go_on(oms: Oms) -> None:
    """Until everything has ended."""
    await oms.connection.execute(RESUME)
    await oms.workers_die()
    for _ in range(6):
        await run_once(oms)


def documents(oms: Oms) -> Counter[int]:
    """How many documents Thunderhead has made of each request."""
    return Counter(int(it["batchName"].split("-")[1]) for it in oms.thunderhead.batches if it["status"] == "COMPLETED")


async def test_nothing_is_lost_nothing_is_made_twice_and_events_keep_their_ids(
    oms: Oms, postgres_url: str, tmp_path: Path
) -> None:
    past = await live_and_back_up(oms, tmp_path / "oms.dump")
    made_before = documents(oms)
    async with restored(oms, tmp_path / "oms.dump", postgres_url) as again:
        done = await caught_up(again)
        paused = await again.claim(Job.PROCESSING)
        fresh = await again.queued()
        await go_on(again)

        assert not paused, "nothing is submitted before a person has read the report"
        assert not again.thunderhead.doubled()
        assert documents(again) == made_before + Counter(fresh), "one document a request, as before"
        rows = await again.rows("SELECT request_id, status FROM document_requests")
        assert {row["request_id"]: row["status"] for row in rows} == dict.fromkeys(past.known | {*fresh}, "COMPLETED")
        assert {it.request_id for it in done.lost} == set(past.late), "accepted after the back-up: named"
        assert fresh[0] > IDS_LEFT_BEHIND, "no id is given out again"
        events = event_ids(await again.events())
        assert {key: it for key, it in events.items() if key in past.events} == {
            key: past.events[key] for key in events if key[0] in past.known
        }


async def test_the_command_run_again_changes_nothing(oms: Oms, postgres_url: str, tmp_path: Path) -> None:
    await live_and_back_up(oms, tmp_path / "oms.dump")
    async with restored(oms, tmp_path / "oms.dump", postgres_url) as again:
        first = await caught_up(again)
        state = "SELECT request_id, attempt, status FROM thunderhead_batches ORDER BY 1, 2"
        before = await again.rows(state)
        second = await caught_up(again)
        assert first.adopted
        assert not second.adopted
        assert await again.rows(state) == before


async def test_without_it_documents_would_be_made_twice(oms: Oms, postgres_url: str, tmp_path: Path) -> None:
    """Why the runbook insists."""
    await live_and_back_up(oms, tmp_path / "oms.dump")
    async with restored(oms, tmp_path / "oms.dump", postgres_url) as again:
        await go_on(again)
        assert again.thunderhead.doubled()


async def caught_up(oms: Oms) -> CaughtUp:
    """The command, as quick as it can be."""
    settings = oms.settings.model_copy(update={"reconciliation_calls_per_second": 1000})
    return await catch_up(oms.connection, oms.thunderhead_client, settings)


async def test_the_command_says_what_it_found(oms: Oms, postgres_url: str, tmp_path: Path) -> None:
    """As an operator runs it: with Airflow's Connections, and nothing of Airflow but them."""
    past = await live_and_back_up(oms, tmp_path / "oms.dump")
    async with restored(oms, tmp_path / "oms.dump", postgres_url) as again:
        airflow = Airflow(tmp_path)
        airflow.connect_database(again.url)
        airflow.connect("thunderhead_api", conn_type="http", host=oms.thunderhead_url, password="token")
        environment = {**os.environ, **airflow.connections, "OMS_RECONCILIATION_CALLS_PER_SECOND": "1000"}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "include.jobs.after_restore",
            cwd=ROOT,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0
        assert f"OMS-{past.late[0]}-1, batch" in said.decode()
        assert await again.rows("SELECT FROM outside_systems WHERE paused_by = 'after_restore'")
