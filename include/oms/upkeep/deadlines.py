"""Late is noticed: what stays in an open state for longer than it may, and when that is worth telling.

Told once, when it has been so for several looks in a row, and once again when it has been well for as many.
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

ALARM_LOOKS = 3  # in a row that find something late before it is told, or well again before that is told


class State(StrEnum):
    """An open state that must not last; each has a runbook of its name."""

    QUEUED = "QUEUED"  # a request is due, and no run claims it
    HELD = "HELD"  # a slice holds a request and does not get through with it
    POLL_DUE = "POLL_DUE"  # nobody asks Thunderhead about a batch
    AT_THUNDERHEAD = "AT_THUNDERHEAD"  # Thunderhead does not end a batch
    IN_NOBODYS_HANDS = "IN_NOBODYS_HANDS"  # a request under way that nothing will move on: it must not happen
    EVENT_WAITING = "EVENT_WAITING"  # a final event in the outbox
    PAUSED = "PAUSED"  # an outside system, by a person
    OUT = "OUT"  # an outside system, by its breaker


def deadline_seconds(settings: Settings) -> dict[State, float]:
    """How long each state may last."""
    return {
        State.QUEUED: settings.late_queued_seconds,
        State.HELD: settings.late_held_seconds,
        State.POLL_DUE: settings.late_poll_seconds,
        State.AT_THUNDERHEAD: settings.late_at_thunderhead_seconds,
        State.IN_NOBODYS_HANDS: 0,
        State.EVENT_WAITING: settings.late_event_seconds,
        State.PAUSED: settings.late_pause_seconds,
        State.OUT: settings.late_outage_seconds,
    }


def looks_needed(state: State, settings: Settings) -> int:
    """How many looks in a row have to agree before it is told."""
    if state is State.OUT:  # the breaker has no clock of its own: so many looks are its deadline
        return max(ALARM_LOOKS, math.ceil(settings.late_outage_seconds / settings.watchdog_interval_seconds))
    return ALARM_LOOKS


@dataclass(frozen=True)
class Look:
    """What one look found of one state."""

    state: State
    number: int
    oldest: str | None  # a request id; of PAUSED and OUT the system
    seconds: float | None  # the oldest one's age in that state
    told_late: bool  # what the operators know
    to_tell: bool  # that this is no longer so

    @property
    def is_late(self) -> bool:
        """Whether anything is late."""
        return self.number > 0


async def look_for_late_work(connection: AsyncConnection[DictRow], settings: Settings) -> list[Look]:
    """Look once, and count the looks in a row. Whoever tells what is to be told says so by ``mark_told``."""
    found = await _late_work(connection, settings)
    noted = await database.rows(
        connection,
        "note_looks",
        states=list(State),
        lates=[found[state]["number"] > 0 for state in State],
        needed=[looks_needed(state, settings) for state in State],
    )
    alarms = {row["state"]: row for row in noted}
    return [
        Look(**{**found[state], "state": state}, told_late=alarms[state]["told_late"], to_tell=alarms[state]["to_tell"])
        for state in State
    ]


async def needs_a_look(connection: AsyncConnection[DictRow], settings: Settings) -> bool:
    """Whether a look would have anything to say: something is late, or was and nobody was told that it is well."""
    (alarms,) = await database.rows(connection, "alarms_stand")
    late = await _late_work(connection, settings)
    return bool(alarms["alarms_stand"]) or any(row["number"] for row in late.values())


async def _late_work(connection: AsyncConnection[DictRow], settings: Settings) -> dict[str, DictRow]:
    """What is late, by state; of every state there is a row."""
    deadlines = {state.lower(): seconds for state, seconds in deadline_seconds(settings).items()}
    return {row["state"]: row for row in await database.rows(connection, "late_work", **deadlines)}


async def mark_told(connection: AsyncConnection[DictRow], looks: Sequence[Look]) -> None:
    """The operators know of these now."""
    await database.execute(connection, "mark_told", states=[look.state for look in looks])
