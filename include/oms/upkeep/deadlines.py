"""Deadlines: work that stays in an open state past its deadline is late, and the operators are told.

The operators get one alert after several checks in a row that found late work. They get one more after as many checks
that found none.
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

ALARM_CHECKS = 3  # checks in a row with the same result before the operators are told
LATE_HELD_SECONDS = 2400.0  # above the half hour that a task may take
LATE_EVENT_SECONDS = 600.0
LATE_OUTAGE_SECONDS = 900.0
LATE_PAUSE_SECONDS = 4 * 3600.0
LATE_DUTY_SECONDS = 26 * 3600.0  # a day, and two hours to do the duty


class OpenState(StrEnum):
    """An open state that must not last. Each has a runbook of the same name."""

    QUEUED = "QUEUED"  # a request is due, and no run claims it
    HELD = "HELD"  # a slice holds a request and does not finish it
    POLL_DUE = "POLL_DUE"  # a poll of a batch is due, and no run makes it
    AT_THUNDERHEAD = "AT_THUNDERHEAD"  # Thunderhead does not end a batch
    IN_NOBODYS_HANDS = "IN_NOBODYS_HANDS"  # a PROCESSING request that no job will continue: this must not happen
    EVENT_WAITING = "EVENT_WAITING"  # a final event waits in the outbox
    EVENT_SET_ASIDE = "EVENT_SET_ASIDE"  # a final event cannot be published: its client is not told the end
    DUTY_MISSED = "DUTY_MISSED"  # a daily duty was not done
    PAUSED = "PAUSED"  # a person has paused an outside system or holds requests, without an end
    RUN_OPEN = "RUN_OPEN"  # a run has not completed by its deadline
    OUT = "OUT"  # the breaker of an outside system is open


def deadline_seconds(settings: Settings) -> dict[OpenState, float]:
    """The deadline of each state, in seconds."""
    return {
        OpenState.QUEUED: settings.late_queued_seconds,
        OpenState.HELD: LATE_HELD_SECONDS,
        OpenState.POLL_DUE: settings.late_poll_seconds,
        OpenState.AT_THUNDERHEAD: settings.late_at_thunderhead_seconds,
        OpenState.IN_NOBODYS_HANDS: 0,
        OpenState.EVENT_WAITING: LATE_EVENT_SECONDS,
        OpenState.EVENT_SET_ASIDE: 0,
        OpenState.DUTY_MISSED: LATE_DUTY_SECONDS,
        OpenState.PAUSED: LATE_PAUSE_SECONDS,
        OpenState.RUN_OPEN: 0,
        OpenState.OUT: LATE_OUTAGE_SECONDS,
    }


def checks_needed(state: OpenState, settings: Settings) -> int:
    """The number of checks in a row that must agree before the operators are told."""
    if state is OpenState.OUT:  # the breaker keeps no start time: its deadline is a number of checks
        return max(ALARM_CHECKS, math.ceil(LATE_OUTAGE_SECONDS / settings.watchdog_interval_seconds))
    return ALARM_CHECKS


@dataclass(frozen=True)
class DeadlineCheck:
    """The result of one check for one state."""

    state: OpenState
    number: int
    # A request id; the duty for DUTY_MISSED, the system or hold for PAUSED, the run for RUN_OPEN, the system for OUT.
    oldest: str | None
    seconds: float | None  # age of the oldest one in this state
    told_late: bool  # whether the operators were last told that it is late
    to_tell: bool  # whether the operators must be told a change

    @property
    def is_late(self) -> bool:
        """Whether anything is late."""
        return self.number > 0


async def check_deadlines(connection: AsyncConnection[DictRow], settings: Settings) -> list[DeadlineCheck]:
    """Check all deadlines once, and count the checks in a row. After an alert was sent, call ``mark_told``."""
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
    """Whether a check is needed: something is late, an alarm stands, or red task instances are not told yet."""
    (alarms,) = await database.rows(connection, "alarms_stand")
    late = await _late_work(connection, settings)
    return (
        bool(alarms["alarms_stand"])
        or any(row["number"] for row in late.values())
        or await failures_are_to_tell(connection)
    )


async def _late_work(connection: AsyncConnection[DictRow], settings: Settings) -> dict[str, DictRow]:
    """The late work by state, with one row for every state."""
    deadlines = {state.lower(): seconds for state, seconds in deadline_seconds(settings).items()}
    return {row["state"]: row for row in await database.rows(connection, "late_work", **deadlines)}


async def mark_told(connection: AsyncConnection[DictRow], checks: Sequence[DeadlineCheck]) -> None:
    """Note that the operators have been told the results of these checks."""
    await database.execute(connection, "mark_told", states=[check.state for check in checks])
