"""What oms_reconciliation does: reconcile one day, keep the report, be red where it does not add up."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta

from airflow.sdk.exceptions import AirflowFailException

from include.jobs.hooks import ThunderheadHook, oms_database_url
from include.jobs.notify import NeedsAPerson
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.outside.thunderhead import Thunderhead
from include.oms.upkeep.reconciliation import Reconciliation, reconcile, store
from include.oms.upkeep.window import Window

log = logging.getLogger("oms")


def reconcile_day(day: date, dag_run_id: str) -> dict[str, int]:
    """Reconcile a day of UTC; its numbers. Raises NeedsAPerson with the list where it does not add up."""
    done = asyncio.run(_reconcile(Window.of_day(day), dag_run_id))
    log.info("%s", "\n" + done.report())
    if not done.adds_up:
        lines = [f"{it.kind} request {it.request_id} {it.batch_name or ''}" for it in done.found.listed]
        runbook = f"{settings().runbooks_url.rstrip('/')}/reconciliation.md"
        raise NeedsAPerson(f"{done.found.numbers.total()} do not add up on {day}: {runbook}", lines)
    return dict(done.counts)


async def _reconcile(window: Window, dag_run_id: str) -> Reconciliation:
    async with (
        await database.connect(oms_database_url(), settings(), application_name="oms_reconciliation") as connection,
        ThunderheadHook().transport(settings()) as thunderhead,
    ):
        done = await reconcile(connection, Thunderhead(thunderhead, settings()), window, settings())
        await store(connection, done, dag_run_id=dag_run_id)
        return done


def day_to_reconcile(given: str | None, run_after: datetime) -> date:
    """The day that was asked for, or the one before the run. Raises where its events may be gone, or it is not over."""
    day = date.fromisoformat(given) if given else run_after.astimezone(UTC).date() - timedelta(days=1)
    today = datetime.now(UTC).date()
    if day >= today:
        raise AirflowFailException(f"{day} is not over yet")
    if (today - day).days >= settings().event_retention_days:
        raise AirflowFailException(f"the final events of {day} are no longer kept (OMS_EVENT_RETENTION_DAYS)")
    return day
