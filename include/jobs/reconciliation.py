"""The task of oms_reconciliation: reconcile days, store the reports, turn red if something does not add up."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from datetime import UTC, date, datetime, timedelta

from airflow.sdk.exceptions import AirflowFailException

from include.jobs import doors
from include.jobs.hooks import oms_database_url
from include.jobs.notify import NeedsAPerson
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.upkeep.duties import Duty, note_duty
from include.oms.upkeep.reconciliation import Reconciliation, days_to_make_up_for, reconcile, store
from include.oms.upkeep.window import Window

log = logging.getLogger("oms")


def reconcile_days(given: str | None, run_after: datetime, dag_run_id: str) -> dict[str, int]:
    """Reconcile the given day. Without one: the day before the run, and days that earlier runs missed.

    Returns the sum of the numbers of all days. Each day's report is stored when it is made, so a retry does the rest.
    Raises NeedsAPerson with the list of discrepancies.
    """
    last = day_to_reconcile(given, run_after)
    days = [last] if given else [*asyncio.run(_missed(last)), last]
    found = {day: asyncio.run(_reconcile(day, dag_run_id, is_duty=not given and day == last)) for day in days}
    wrong = {day: done for day, done in found.items() if not done.adds_up}
    if wrong:
        lines = [
            f"{day}: {it.kind} " + (f"request {it.request_id} {it.batch_name or ''}" if it.request_id else it.detail)
            for day, done in wrong.items()
            for it in done.found.listed
        ]
        number = sum(done.found.numbers.total() for done in wrong.values())
        runbook = f"{settings().runbooks_url.rstrip('/')}/reconciliation.md"
        raise NeedsAPerson(f"{number} do not add up on {', '.join(map(str, wrong))}: {runbook}", lines)
    return dict(sum((done.counts for done in found.values()), Counter[str]()))


async def _missed(before: date) -> list[date]:
    async with await database.connect(
        oms_database_url(), settings(), application_name="oms_reconciliation"
    ) as connection:
        return await days_to_make_up_for(connection, before, settings())


async def _reconcile(day: date, dag_run_id: str, *, is_duty: bool) -> Reconciliation:
    async with (
        await database.connect(oms_database_url(), settings(), application_name="oms_reconciliation") as connection,
        doors.thunderhead(settings(), caller="oms_reconciliation") as thunderhead,
    ):
        done = await reconcile(connection, thunderhead, Window.of_day(day), settings())
        await store(connection, done, dag_run_id=dag_run_id)
        if is_duty:
            await note_duty(connection, Duty.RECONCILIATION)
    log.info("%s", "\n" + done.report())
    return done


def day_to_reconcile(given: str | None, run_after: datetime) -> date:
    """The given day, or the day before the run. Raises if the day is not over, or if its events may be deleted."""
    day = date.fromisoformat(given) if given else run_after.astimezone(UTC).date() - timedelta(days=1)
    today = datetime.now(UTC).date()
    if day >= today:
        raise AirflowFailException(f"{day} is not over yet")
    if (today - day).days >= settings().event_retention_days:
        raise AirflowFailException(f"the final events of {day} are no longer kept (OMS_EVENT_RETENTION_DAYS)")
    return day
