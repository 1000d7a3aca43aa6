"""What oms_watchdog does: check the deadlines, tell what has to be told, be red while a person is needed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.jobs.hooks import oms_database_url
from include.jobs.notify import Alert, AlreadyTold, make_alert, send
from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.base.tables import age_text, markdown_table
from include.oms.upkeep.deadlines import (
    ALARM_CHECKS,
    DeadlineCheck,
    OpenState,
    check_deadlines,
    deadline_seconds,
    mark_told,
)
from include.oms.upkeep.failure_alarms import (
    QUIET_SECONDS,
    FailureAlarm,
    failures_to_tell,
    forget_failures,
    mark_failures_told,
)

log = logging.getLogger("oms")


def check() -> None:
    """One check. Raises AlreadyTold while anything is late that was told; psycopg.Error without a database."""
    checks, failures = asyncio.run(_check())
    late = [check for check in checks if check.is_late]
    log.info("%s", _table(late) if late else "nothing is late")
    if to_tell := [check for check in checks if check.to_tell]:
        _tell(_alert(to_tell), to_tell, [])
    if failures:
        _tell(_failures_alert(failures), [], failures)
    if known := [check for check in late if check.told_late or check.to_tell]:
        raise AlreadyTold("late: " + "; ".join(map(_line, known)))


def _tell(alert: Alert, checks: Sequence[DeadlineCheck], failures: Sequence[FailureAlarm]) -> None:
    """Send one alert for all of these. What cannot be sent is sent after the next check."""
    try:
        send(alert)
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being sent, the next check tries again
        log.warning("nobody could be told, trying again at the next check: %s: %s", type(error).__name__, error)
    else:
        asyncio.run(_mark_told(checks, failures))


async def _check() -> tuple[list[DeadlineCheck], list[FailureAlarm]]:
    async with await _connect() as connection:
        return await check_deadlines(connection, settings()), await failures_to_tell(connection)


async def _mark_told(checks: Sequence[DeadlineCheck], failures: Sequence[FailureAlarm]) -> None:
    async with await _connect() as connection:
        await mark_told(connection, checks)
        await mark_failures_told(connection, [it.cause for it in failures], [it.number for it in failures])
        await forget_failures(connection, [it.cause for it in failures if it.is_over])


async def _connect() -> AsyncConnection[DictRow]:
    return await database.connect(oms_database_url(), settings(), application_name="oms_watchdog")


def _alert(checks: Sequence[DeadlineCheck]) -> Alert:
    late = [check for check in checks if check.is_late]
    well = ", ".join(check.state for check in checks if not check.is_late)
    title = f"late: {', '.join(check.state for check in late)}" if late else f"well again: {well}"
    details = [f"{_line(check)}; {runbook(check.state)}" for check in late]
    if late and well:
        details.append(f"well again: {well}")
    return make_alert(title, f"so for {ALARM_CHECKS} checks in a row or more", details, runbook())


def _failures_alert(failures: Sequence[FailureAlarm]) -> Alert:
    """Red task instances, a line for each cause, with the link of its newest one."""
    going_on = sum(it.number for it in failures if not it.is_over)
    title = f"{going_on} task instances are red" if going_on else "well again: no more task instances turn red"
    why = f"A cause is over when no task instance has turned red for it for {QUIET_SECONDS / 60:.0f} min."
    details = [
        f"{'over: ' if it.is_over else ''}{it.number} since {it.began_at}: {it.cause}; {it.link}" for it in failures
    ]
    return make_alert(title, why, details, f"{settings().runbooks_url.rstrip('/')}/red-tasks.md")


def runbook(state: OpenState | None = None) -> str:
    """The page that says what to do."""
    return f"{settings().runbooks_url.rstrip('/')}/late.md" + (f"#{state.lower()}" if state else "")


def _line(check: DeadlineCheck) -> str:
    age = "" if check.seconds is None else f", the oldest for {age_text(check.seconds)}"
    return f"{check.number} {check.state}{age}: {check.oldest}"


def _table(late: Sequence[DeadlineCheck]) -> str:
    allowed = deadline_seconds(settings())
    head = ["state", "late", "oldest", "for", "allowed", "runbook"]
    rows = [
        (
            check.state,
            check.number,
            check.oldest,
            age_text(check.seconds) if check.seconds is not None else "",
            age_text(allowed[check.state]),
            runbook(check.state),
        )
        for check in late
    ]
    return "\n" + markdown_table(head, rows)
