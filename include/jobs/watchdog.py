"""What oms_watchdog does: look for late work, tell what has to be told, be red while a person is needed."""

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
from include.oms.upkeep.deadlines import ALARM_LOOKS, Look, State, deadline_seconds, look_for_late_work, mark_told

log = logging.getLogger("oms")


def watch() -> None:
    """One look. Raises AlreadyTold while anything is late that was told; psycopg.Error without a database."""
    looks = asyncio.run(_look())
    late = [look for look in looks if look.is_late]
    log.info("%s", _table(late) if late else "nothing is late")
    if to_tell := [look for look in looks if look.to_tell]:
        _tell(to_tell)
    if known := [look for look in late if look.told_late or look.to_tell]:
        raise AlreadyTold("late: " + "; ".join(map(_line, known)))


def _tell(looks: Sequence[Look]) -> None:
    """One alert for all. What cannot be sent is sent after the next look."""
    try:
        send(_alert(looks))
    except Exception as error:  # noqa: BLE001 - whatever keeps it from being sent, the next look tries again
        log.warning("nobody could be told, trying again at the next look: %s: %s", type(error).__name__, error)
    else:
        asyncio.run(_mark_told(looks))


async def _look() -> list[Look]:
    async with await _connect() as connection:
        return await look_for_late_work(connection, settings())


async def _mark_told(looks: Sequence[Look]) -> None:
    async with await _connect() as connection:
        await mark_told(connection, looks)


async def _connect() -> AsyncConnection[DictRow]:
    return await database.connect(oms_database_url(), settings(), application_name="oms_watchdog")


def _alert(looks: Sequence[Look]) -> Alert:
    late = [look for look in looks if look.is_late]
    well = ", ".join(look.state for look in looks if not look.is_late)
    title = f"late: {', '.join(look.state for look in late)}" if late else f"well again: {well}"
    details = [f"{_line(look)}; {runbook(look.state)}" for look in late]
    if late and well:
        details.append(f"well again: {well}")
    return make_alert(title, f"so for {ALARM_LOOKS} looks in a row or more", details, runbook())


def runbook(state: State | None = None) -> str:
    """Where it stands what to do."""
    return f"{settings().runbooks_url.rstrip('/')}/late.md" + (f"#{state.lower()}" if state else "")


def _line(look: Look) -> str:
    age = "" if look.seconds is None else f", the oldest for {age_text(look.seconds)}"
    return f"{look.number} {look.state}{age}: {look.oldest}"


def _table(late: Sequence[Look]) -> str:
    allowed = deadline_seconds(settings())
    head = ["state", "late", "oldest", "for", "allowed", "runbook"]
    ages = {look.state: age_text(look.seconds) if look.seconds is not None else "" for look in late}
    return "\n" + markdown_table(
        head,
        [
            (look.state, look.number, look.oldest, ages[look.state], age_text(allowed[look.state]), runbook(look.state))
            for look in late
        ],
    )
