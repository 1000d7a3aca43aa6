"""The task of bulk_operations: work what operators and clients have asked for, until nothing is left to work."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from time import monotonic

from psycopg.errors import QueryCanceled

from include.jobs.hooks import oms_database_url
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.operators.audit import Door
from include.oms.operators.bulk_operations import (
    Change,
    RequestAnswer,
    change_operation,
    lease_operation,
    work_operation,
)

LONGEST_RUN_SECONDS = 1500.0  # below the task's time-out; the next run goes on

log = logging.getLogger("oms")


def work() -> int:
    """Work operations that nobody works, one after the other; the number of requests answered. Raises psycopg.Error."""
    return asyncio.run(_work())


async def _work() -> int:
    ends_at, answered = monotonic() + LONGEST_RUN_SECONDS, 0
    async with await database.connect(oms_database_url(), settings(), application_name="bulk_operations") as connection:
        while (seconds := ends_at - monotonic()) > 0 and (leased := await lease_operation(connection)):
            counts: Counter[RequestAnswer] = Counter()
            try:
                async for results in work_operation(connection, leased, max_seconds=seconds):
                    counts.update(it.answer for it in results)
            except QueryCanceled:  # it must not hold up the others, and a person sees it on the page
                log.error("operation %d is paused: it takes longer than the statement time-out", leased.operation_id)
                await change_operation(
                    connection, leased.operation_id, Change.PAUSE, actor="bulk_operations", door=Door.DAG
                )
            answered += counts.total()
            said = ", ".join(f"{n} {answer}" for answer, n in counts.items())
            log.info("operation %d, %s: %s", leased.operation_id, leased.action, said or "no request was left")
    return answered
