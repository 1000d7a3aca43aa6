"""The watchers: told at once, patient otherwise, and not driven mad by work that nobody can claim."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from math import inf
from time import monotonic

import pytest

from include.oms.base import database
from include.oms.slices import early_wake
from include.oms.testing.system import Oms
from include.oms.words.model import Job

IS_LISTENING = "SELECT FROM pg_stat_activity WHERE application_name = 'watcher' AND query LIKE '%%waiting = false%%'"

NEVER = 600  # seconds, for an interval that is not waited for


@pytest.fixture(autouse=True)
def _no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(early_wake, "LEAST_GAP_SECONDS", 0.05)


@asynccontextmanager
async def watcher(oms: Oms, job: Job, interval_seconds: float) -> AsyncIterator[AsyncIterator[None]]:
    """A watcher on a connection of its own, as in the triggerer."""
    async with await database.connect(oms.url, oms.settings, application_name="watcher") as connection:
        watch = early_wake.work_is_due(connection, job, interval_seconds=interval_seconds, max_slices=2)
        try:
            yield watch
        finally:
            await watch.aclose()  # type: ignore[attr-defined]


async def fires(watch: AsyncIterator[None]) -> None:
    """Sooner than an interval of ``NEVER`` seconds: it was told, or knows when."""
    await asyncio.wait_for(anext(watch), NEVER / 10)


async def test_it_fires_at_once_for_what_waits_already(oms: Oms) -> None:
    await oms.queued()
    async with watcher(oms, Job.PROCESSING, NEVER) as watch:
        await fires(watch)


async def test_it_is_told_when_work_comes(oms: Oms) -> None:
    async with watcher(oms, Job.PROCESSING, NEVER) as watch:
        waiting = asyncio.create_task(fires(watch))
        while not await oms.rows("SELECT FROM watchers WHERE job = 'document_processing' AND waiting"):  # noqa: ASYNC110 - the condition is in the database
            await asyncio.sleep(0.01)
        await oms.queued()
        await database.rows(oms.connection, "wake", job=Job.PROCESSING)
        await waiting


async def test_what_stays_due_fires_once_an_interval(oms: Oms) -> None:
    await oms.queued()
    async with watcher(oms, Job.PROCESSING, 0.5) as watch:
        started = monotonic()
        for _ in range(2):
            await fires(watch)
        assert monotonic() - started >= 0.4


async def test_it_wakes_when_the_next_poll_falls_due(oms: Oms) -> None:
    await oms.queued()
    await oms.run_processing()
    await oms.connection.execute("UPDATE thunderhead_batches SET next_poll_at = now() + interval '0.4 s'")
    async with watcher(oms, Job.MONITORING, NEVER) as watch:
        await fires(watch)
    assert await oms.rows("SELECT FROM thunderhead_batches WHERE next_poll_at <= now()")


async def test_nothing_is_due_while_thunderhead_is_paused_or_out(oms: Oms) -> None:
    await oms.queued()
    for stopped in (
        "paused_at = now(), paused_by = 'me'",
        "open_until = now() + interval '1 h', paused_at = NULL, paused_by = NULL",
    ):
        await oms.connection.execute(f"UPDATE outside_systems SET {stopped} WHERE system = 'THUNDERHEAD'")
        async with watcher(oms, Job.PROCESSING, 0.1) as watch:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(watch), 0.5)


async def test_what_comes_is_left_to_the_worker_that_is_at_work(oms: Oms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        early_wake, "KEEP_UP_SECONDS", NEVER
    )  # it fires because it is told, not for what is due too long
    await oms.queued()
    (slice_id,) = await oms.claim(Job.PROCESSING)
    await oms.queued()
    async with watcher(oms, Job.PROCESSING, NEVER) as watch:
        waiting = asyncio.create_task(fires(watch))
        while not await oms.rows(IS_LISTENING):  # noqa: ASYNC110 - the condition is in the database
            await asyncio.sleep(0.01)
        assert not await oms.rows("SELECT FROM watchers WHERE job = 'document_processing' AND waiting")
        await oms.process(slice_id)  # which tells the watcher when it is through
        await waiting


async def test_what_a_worker_does_not_get_to_is_due_for_another(oms: Oms) -> None:
    await oms.queued()
    await oms.claim(Job.PROCESSING)
    await oms.queued(due_at=datetime.now(UTC) - timedelta(minutes=1))
    async with watcher(oms, Job.PROCESSING, NEVER) as watch:
        await fires(watch)


async def test_no_further_worker_is_called_while_as_many_are_at_work_as_may_be(oms: Oms) -> None:
    await oms.queued(oms.settings.slice_size + 1)
    first, _ = await oms.claim(Job.PROCESSING)
    await oms.queued(due_at=datetime.now(UTC) - timedelta(minutes=1))
    async with watcher(oms, Job.PROCESSING, NEVER) as watch:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(watch), 0.5)
    async with watcher(oms, Job.PROCESSING, NEVER) as watch:
        waiting = asyncio.create_task(fires(watch))
        while not await oms.rows(IS_LISTENING):  # noqa: ASYNC110 - the condition is in the database
            await asyncio.sleep(0.01)
        await oms.connection.execute("UPDATE slices SET closed_at = now() WHERE slice_id = %s", (first,))
        await oms.rows("SELECT pg_notify('oms_work', 'document_processing')")  # as close_slice does
        await waiting


async def test_monitoring_begins_with_processing(oms: Oms) -> None:
    async with watcher(oms, Job.MONITORING, NEVER) as watch:
        waiting = asyncio.create_task(fires(watch))
        while not await oms.rows("SELECT FROM watchers WHERE job = 'document_monitoring' AND waiting"):  # noqa: ASYNC110 - the condition is in the database
            await asyncio.sleep(0.01)
        await oms.queued()
        await oms.rows("SELECT pg_notify('oms_work', job) FROM watchers WHERE waiting")  # as the intake does
        await waiting


@pytest.mark.parametrize(
    ("system", "jobs"), [("THUNDERHEAD", [Job.PROCESSING, Job.MONITORING]), ("REFERENCE_DATA", [Job.PROCESSING])]
)
async def test_while_a_system_is_paused_no_work_is_known(oms: Oms, system: str, jobs: list[Job]) -> None:
    """PostgreSQL before 17 has no infinite intervals: a pause without an end is no date."""
    await oms.queued(1)
    await oms.connection.execute(
        "UPDATE outside_systems SET paused_at = now(), paused_by = 'x', open_until = now() WHERE system = %s", (system,)
    )
    for job in jobs:
        assert await early_wake.work_due_in(oms.connection, job, 2) == (inf, False)
