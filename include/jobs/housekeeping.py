"""The tasks of oms_housekeeping: erase and delete what is past its retention."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.jobs import airflow_history
from include.jobs.hooks import oms_database_url
from include.oms.base import database
from include.oms.base.settings import Settings, settings
from include.oms.upkeep import housekeeping
from include.oms.upkeep.duties import Duty, note_duty

log = logging.getLogger("oms")

Job = Callable[[AsyncConnection[DictRow], Settings], Awaitable[int]]


def erase_content() -> int:
    """Erase the content of requests past their retention; the number of requests."""
    return _done("requests had their content erased", housekeeping.erase_content, Duty.ERASE_CONTENT)


def prune_requests() -> int:
    """Delete requests whose correlation id needs to be remembered no longer; the number of requests."""
    return _done("requests are forgotten", housekeeping.prune_requests, Duty.PRUNE_REQUESTS)


def prune_events() -> int:
    """Delete published final events past their retention; the number of events."""
    return _done("published events are forgotten", housekeeping.prune_events, Duty.PRUNE_EVENTS)


def prune_operator_actions() -> int:
    """Delete what operators did many years ago from the audit trail; the number of actions."""
    return _done("actions of operators are forgotten", housekeeping.prune_operator_actions)


def prune_bulk_operations() -> int:
    """Delete bulk operations of long ago, with their answers; the number of operations."""
    return _done("bulk operations are forgotten", housekeeping.prune_bulk_operations)


def prune_slices() -> int:
    """Delete slices that can no longer be cleared; the number of slices."""
    return _done("slices are forgotten", housekeeping.prune_slices, Duty.PRUNE_SLICES)


def prune_airflow_tables() -> None:
    """Delete Airflow's old runs."""
    airflow_history.prune_tables(settings().airflow_history_days)


def prune_airflow_logs() -> int:
    """Delete old log files of this machine; the number of files."""
    from airflow.sdk.configuration import conf

    folder = Path(conf.get("logging", "base_log_folder"))
    number = airflow_history.prune_log_files(folder, settings().airflow_history_days)
    log.info("%d log files in %s are deleted", number, folder)
    return number


def _done(what: str, job: Job, duty: Duty | None = None) -> int:
    """Do it. ``duty``: its absence is an alarm."""

    async def done() -> int:
        async with await database.connect(
            oms_database_url(), settings(), application_name="oms_housekeeping"
        ) as connection:
            number = await job(connection, settings())
            if duty:
                await note_duty(connection, duty)
            return number

    number = asyncio.run(done())
    log.info("%d %s", number, what)
    return number
