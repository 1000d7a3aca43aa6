"""Watchers of the jobs' assets, in the triggerer: they start a run as soon as work is due, before its fixed schedule.

What they cost, and what they replaced: docs/decisions/0002-fixed-schedules-with-early-wake.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from psycopg import AsyncConnection
    from psycopg.rows import DictRow

log = logging.getLogger(__name__)


Look = Callable[["AsyncConnection[DictRow]"], AsyncIterator[None]]
"""Look for something in the OMS Database, and yield whenever it is there. Never ends."""


class Watcher(BaseEventTrigger):
    """A watcher whose one argument is the longest time between two looks, in seconds."""

    def __init__(self, interval_seconds: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.interval_seconds = interval_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments, from which a triggerer makes this watcher again."""
        return f"{__name__}.{type(self).__name__}", {"interval_seconds": self.interval_seconds}

    async def _whenever(self, look: Look, *, of: str) -> AsyncIterator[TriggerEvent]:
        """An event of ``of`` whenever ``look`` finds something; connects again after the database was away."""
        from psycopg import Error

        from include.jobs.hooks import oms_database_url_async
        from include.oms.base import database
        from include.oms.base.settings import settings

        while True:
            try:
                url = await oms_database_url_async()
                async with await database.connect(url, settings(), application_name=f"{of} watcher") as connection:
                    async for _ in look(connection):
                        yield TriggerEvent(of)  # type: ignore[no-untyped-call]
            except Error as error:
                log.warning("cannot look for due work of %s, trying again: %s", of, error)
                await asyncio.sleep(self.interval_seconds)


class WorkIsDue(Watcher):
    """Fires whenever work of ``job`` is due. Never ends."""

    def __init__(self, job: str, interval_seconds: float) -> None:
        super().__init__(interval_seconds)
        self.job = job

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and the arguments, from which a triggerer makes this watcher again."""
        name, arguments = super().serialize()
        return name, {"job": self.job} | arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each run to be started."""
        from include.oms.base.settings import settings
        from include.oms.slices.early_wake import work_is_due
        from include.oms.words.model import Job

        def look(connection: AsyncConnection[DictRow]) -> AsyncIterator[None]:
            return work_is_due(
                connection, Job(self.job), interval_seconds=self.interval_seconds, max_slices=settings().max_slices
            )

        async for event in self._whenever(look, of=self.job):
            yield event


class BulkWork(Watcher):
    """Fires whenever a bulk operation waits for a worker. Never ends."""

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield an event for each run to be started."""
        from include.oms.operators.bulk_operations import operations_are_due

        def look(connection: AsyncConnection[DictRow]) -> AsyncIterator[None]:
            return operations_are_due(connection, self.interval_seconds)

        async for event in self._whenever(look, of="bulk_operations"):
            yield event


class LateWork(Watcher):
    """Fires once an interval while oms_watchdog has something to report or the database is away. Never ends."""

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
