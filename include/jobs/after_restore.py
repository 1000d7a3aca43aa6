"""The command to run after a restore of the OMS Database: `python -m include.jobs.after_restore`.

It uses Airflow's Connections. What it does, and when to run it: docs/runbooks/restore.md.
"""

from __future__ import annotations

import asyncio

from include.jobs import doors
from include.jobs.hooks import oms_database_url
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.upkeep.after_restore import CaughtUp, catch_up


async def _caught_up() -> CaughtUp:
    async with (
        await database.connect(oms_database_url(), settings(), application_name="after_restore") as connection,
        doors.thunderhead(settings(), caller="after_restore") as thunderhead,
    ):
        return await catch_up(connection, thunderhead, settings())


if __name__ == "__main__":
    print(asyncio.run(_caught_up()).report())
