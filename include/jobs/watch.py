"""The look whether a job has work, done in the triggerer: no run is made, no worker starts, where nothing is due.

See docs/decisions/0002-watchers-make-the-runs.md for what it costs and what it replaced.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

log = logging.getLogger(__name__)


class WorkIsDue(BaseEventTrigger):
    """Fires whenever ``job`` has something to do. Never ends, and outlives the database's restarts."""

    def __init__(self, job: str, interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.job = job
        self.interval_seconds = interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another triggerer makes the same watcher again."""
        return f"{__name__}.WorkIsDue", {"job": self.job, "interval_seconds": self.interval_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """An event for every run that is to be made."""
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
                log.warning("%s cannot be watched now, trying again: %s", job, error)
                await asyncio.sleep(self.interval_seconds)


class LateWork(BaseEventTrigger):
    """Fires once an interval while oms_watchdog has anything to say, or nobody can know whether it has. Never ends."""

    def __init__(self, interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.interval_seconds = interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How another triggerer makes the same watcher again."""
        return f"{__name__}.LateWork", {"interval_seconds": self.interval_seconds}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """An event for every run that is to be made."""
        while True:
            if await self._needs_a_look():
                yield TriggerEvent("oms_watchdog")  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.interval_seconds)

    async def _needs_a_look(self) -> bool:
        """A connection a look: they are rare. Without a database the run itself finds that out, and tells."""
        from psycopg import Error

        from include.jobs.hooks import oms_database_url_async
        from include.oms.base import database
        from include.oms.base.settings import settings
        from include.oms.upkeep.deadlines import needs_a_look

        try:
            url = await oms_database_url_async()
            async with await database.connect(url, settings(), application_name="oms_watchdog watcher") as connection:
                return await needs_a_look(connection, settings())
        except Error as error:
            log.warning("late work cannot be looked for: %s", error)
            return True
