"""The doors to the outside systems, for a task: the hook's transport, and a database connection for the door alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from include.jobs.hooks import ReferenceDataHook, ThunderheadHook, oms_database_url_async
from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.outside.breaker import System
from include.oms.outside.door import Door
from include.oms.outside.reference_data import ReferenceData
from include.oms.outside.thunderhead import Thunderhead


@asynccontextmanager
async def thunderhead(settings: Settings, *, caller: str) -> AsyncIterator[Thunderhead]:
    """Thunderhead, for ``caller``. What its door met is told at the end."""
    url = await oms_database_url_async()
    async with (
        await database.connect(url, settings, application_name=f"{caller} door") as connection,
        ThunderheadHook().transport(settings) as transport,
    ):
        client = Thunderhead(Door(System.THUNDERHEAD, transport, connection, settings), settings)
        yield client
        await client.door.tell()


@asynccontextmanager
async def reference_data(settings: Settings, *, caller: str) -> AsyncIterator[ReferenceData]:
    """The Reference Data API, in the same way."""
    url = await oms_database_url_async()
    async with (
        await database.connect(url, settings, application_name=f"{caller} door") as connection,
        ReferenceDataHook().transport(settings) as transport,
    ):
        client = ReferenceData(Door(System.REFERENCE_DATA, transport, connection, settings), settings)
        yield client
        await client.door.tell()
