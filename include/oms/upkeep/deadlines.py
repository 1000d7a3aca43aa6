"""Deadlines: what stays in an open state for longer than it may is late, and the operators are told.

They are told once, when several checks in a row found it, and once again when as many found nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.base.settings import Settings
from include.oms.upkeep.failure_alarms import failures_are_to_tell

ALARM_CHECKS = 3  # in a row that find something late before it is told, or well again before that is told
LATE_DUTY_SECONDS = 26 * 3600.0  # a day, and time to do it


class OpenState(StrEnum):
    """An open state that must not last; each has a runbook of its name."""

    QUEUED = "QUEUED"  # a request is due, and no run claims it
    HELD = "HELD"  # a slice holds a request and does not get through with it
    POLL_DUE = "POLL_DUE"  # nobody asks Thunderhead about a batch
    AT_THUNDERHEAD = "AT_THUNDERHEAD"  # Thunderhead does not end a batch
    IN_NOBODYS_HANDS = "IN_NOBODYS_HANDS"  # a request under way that nothing will move on: it must not happen
    EVENT_WAITING = "EVENT_WAITING"  # a final event in the outbox
    EVENT_SET_ASIDE = "EVENT_SET_ASIDE"  # a final event that cannot be published: its client does not hear of the end
    DUTY_MISSED = "DUTY_MISSED"  # a daily duty that was not done
    PAUSED = "PAUSED"  # an outside system, by a person
    OUT = "OUT"  # an outside system, by its breaker


def deadline_seconds(settings: Settings) -> dict[OpenState, float]:
    """How long each state may last."""
    return {
        OpenState.QUEUED: settings.late_queued_seconds,
        OpenState.HELD: settings.late_held_seconds,
        OpenState.POLL_DUE: settings.late_poll_seconds,
        OpenState.AT_THUNDERHEAD: settings.late_at_thunderhead_seconds,
        OpenState.IN_NOBODYS_HANDS: 0,
        OpenState.EVENT_WAITING: settings.late_event_seconds,
        OpenState.EVENT_SET_ASIDE: 0,
        OpenState.DUTY_MISSED: LATE_DUTY_SECONDS,
        OpenState.PAUSED: settings.late_pause_seconds,
        OpenState.OUT: settings.late_outage_seconds,
    }


def checks_needed(state: OpenState, settings: Settings) -> int:
    """How many checks in a row have to agree before the operators are told."""
    if state is OpenState.OUT:  # the breaker has no clock of its own: so many checks are its deadline
        return max(ALARM_CHECKS, math.ceil(settings.late_outage_seconds / settings.watchdog_interval_seconds))
    return ALARM_CHECKS


@dataclass(frozen=True)
class DeadlineCheck:
    """What one check found of one state."""

    state: OpenState
    number: int
    oldest: str | None  # a request id; of PAUSED and OUT the system
    seconds: float | None  # the oldest one's age in that state
    told_late: bool  # what the operators know
    to_tell: bool  # that this is no longer so

    @property
    def is_late(self) -> bool:
        """Whether anything is late."""
        return self.number > 0


async def check_deadlines(connection: AsyncConnection[DictRow], settings: Settings) -> list[DeadlineCheck]:
    """Check all deadlines once, and count the checks in a row. Call ``mark_told`` after the operators were told."""
    found = await _late_work(connection, settings)
    noted = await database.rows(
        connection,
        "note_check",
        states=list(OpenState),
        lates=[found[state]["number"] > 0 for state in OpenState],
        needed=[checks_needed(state, settings) for state in OpenState],
    )
    alarms = {row["state"]: row for row in noted}
    return [
        DeadlineCheck(
            **{**found[state], "state": state}, told_late=alarms[state]["told_late"], to_tell=alarms[state]["to_tell"]
        )
        for state in OpenState
    ]


async def needs_a_check(connection: AsyncConnection[DictRow], settings: Settings) -> bool:
    """Whether a check would find anything to tell: something is late, or was and nobody was told that it is well."""
    (alarms,) = await database.rows(connection, "alarms_stand")
    late = await _late_work(connection, settings)
    return (
        bool(alarms["alarms_stand"])
        or any(row["number"] for row in late.values())
        or await failures_are_to_tell(connection)
    )


async def _late_work(connection: AsyncConnection[DictRow], settings: Settings) -> dict[str, DictRow]:
    """What is late, by state; of every state there is a row."""
    deadlines = {state.lower(): seconds for state, seconds in deadline_seconds(settings).items()}
    return {row["state"]: row for row in await database.rows(connection, "late_work", **deadlines)}


async def mark_told(connection: AsyncConnection[DictRow], checks: Sequence[DeadlineCheck]) -> None:
    """The operators know of these now."""
    await database.execute(connection, "mark_told", states=[check.state for check in checks])
