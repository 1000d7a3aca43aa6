"""The doors to the outside systems, for a task: the hook's transport, and a database connection for the door alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from include.jobs.hooks import ReferenceDataHook, SingleCallHook, ThunderheadHook, oms_database_url_async
from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.outside.breaker import System
from include.oms.outside.door import Door
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.thunderhead import Thunderhead


@asynccontextmanager
async def thunderhead(settings: Settings, *, caller: str) -> AsyncIterator[Thunderhead]:
    """Thunderhead, for ``caller``. The end of the block tells the other callers what its door met."""
    async with door(System.THUNDERHEAD, ThunderheadHook(), settings, caller) as opened:
        yield Thunderhead(opened, settings)


@asynccontextmanager
async def reference_data(settings: Settings, *, caller: str) -> AsyncIterator[ReferenceData]:
    """The Reference Data API, for ``caller``. The end of the block tells the other callers what its door met."""
    async with door(System.REFERENCE_DATA, ReferenceDataHook(), settings, caller) as opened:
        yield ReferenceData(opened, settings)


@asynccontextmanager
async def door(system: str, hook: SingleCallHook, settings: Settings, caller: str) -> AsyncIterator[Door]:
    """The door to an outside system, for ``caller``. The end of the block tells the other callers what it met."""
    url = await oms_database_url_async()
    async with (
        await database.connect(url, settings, application_name=f"{caller} door") as connection,
        hook.transport(settings) as transport,
    ):
        opened = Door(system, transport, connection, settings)
        yield opened
        await opened.tell()
