"""Watchers of the jobs' assets, in the triggerer: they start a run as soon as work is due, before its fixed schedule.

What they cost, and what they replaced: docs/decisions/0002-fixed-schedules-with-early-wake.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

log = logging.getLogger(__name__)


class WorkIsDue(BaseEventTrigger):
    """Fires whenever work of ``job`` is due. Never ends; connects again after the database was away."""

    def __init__(self, job: str, interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job = job
        self.interval_seconds = interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments, from which a triggerer makes this watcher again."""
        return f"{__name__}.WorkIsDue", {"job": self.job, "interval_seconds": self.interval_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each run to be started."""
        from psycopg import Error

        from include.jobs.hooks import oms_database_url_async
        from include.oms.base import database
        from include.oms.base.settings import settings
        from include.oms.slices.early_wake import work_is_due
        from include.oms.words.model import Job

        job = Job(self.job)
        while True:
            try:
                url = await oms_database_url_async()
                async with await database.connect(url, settings(), application_name=f"{job} watcher") as connection:
                    due = work_is_due(
                        connection, job, interval_seconds=self.interval_seconds, max_slices=settings().max_slices
                    )
                    async for _ in due:
                        yield TriggerEvent(job)  # type: ignore[no-untyped-call]
            except Error as error:
                log.warning("cannot look for due work of %s, trying again: %s", job, error)
                await asyncio.sleep(self.interval_seconds)


class BulkWork(BaseEventTrigger):
    """Fires whenever a bulk operation waits for a worker. Never ends; connects again after the database was away."""

    def __init__(self, interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.interval_seconds = interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments, from which a triggerer makes this watcher again."""
        return f"{__name__}.BulkWork", {"interval_seconds": self.interval_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each run to be started."""
        from psycopg import Error

        from include.jobs.hooks import oms_database_url_async
        from include.oms.base import database
        from include.oms.base.settings import settings
        from include.oms.operators.bulk_operations import operations_are_due

        while True:
            try:
                url = await oms_database_url_async()
                async with await database.connect(url, settings(), application_name="bulk watcher") as connection:
                    async for _ in operations_are_due(connection, self.interval_seconds):
                        yield TriggerEvent("bulk_operations")  # type: ignore[no-untyped-call]
            except Error as error:
                log.warning("cannot look for bulk operations, trying again: %s", error)
                await asyncio.sleep(self.interval_seconds)


class LateWork(BaseEventTrigger):
    """Fires once an interval while oms_watchdog has something to report or the database is away. Never ends."""

    def __init__(self, interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.interval_seconds = interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments, from which a triggerer makes this watcher again."""
        return f"{__name__}.LateWork", {"interval_seconds": self.interval_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each run to be started."""
        while True:
            if await self._needs_a_check():
                yield TriggerEvent("oms_watchdog")  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.interval_seconds)

    async def _needs_a_check(self) -> bool:
        """Whether a run is needed. Without a database it is: the run reports the outage."""
        from psycopg import Error

        from include.jobs.hooks import oms_database_url_async
        from include.oms.base import database
        from include.oms.base.settings import settings
        from include.oms.upkeep.deadlines import needs_a_check

        try:
            url = await oms_database_url_async()
            async with await database.connect(url, settings(), application_name="oms_watchdog watcher") as connection:
                return await needs_a_check(connection, settings())
        except Error as error:
            log.warning("cannot look for late work: %s", error)
            return True
