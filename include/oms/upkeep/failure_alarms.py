"""Red task instances, grouped by their cause: forty of one cause make one alert with a count.

The first task instance of a cause sends an alert immediately. After that the operators are told each time the number
has doubled, and once when none has turned red for ``QUIET_SECONDS``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row

from include.oms.base import database
from include.oms.base.queries import query

QUIET_SECONDS = 900.0
MOST_CAUSES = 10  # causes of one task instance
MOST_TOLD_AT_ONCE = 25
LONGEST_CAUSE = 300
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class FailureAlarm:
    """One cause of red task instances."""

    cause: str
    number: int  # task instances that turned red for it
    told_number: int  # the number that the operators were told
    link: str  # to the newest of them
    began_at: str
    is_over: bool


def causes_of(task: str, why: str, about: Sequence[str]) -> list[str]:
    """The causes of a red task instance, without numbers, which differ between task instances of one cause.

    ``about`` has a line for each request. Two slices share a cause if their requests ended for the same reason.
    """
    lines = sorted({_NUMBER.sub("#", line) for line in about}) or [_NUMBER.sub("#", why)]
    return [f"{task}: {line}"[:LONGEST_CAUSE] for line in lines[:MOST_CAUSES]]


async def note_failure(connection: AsyncConnection[DictRow], causes: Sequence[str], link: str) -> bool:
    """Count a red task instance. Return whether one of its causes is new."""
    noted = await database.rows(connection, "note_failure", causes=list(causes), link=link)
    return any(row["is_new"] for row in noted)


async def failures_to_tell(connection: AsyncConnection[DictRow]) -> list[FailureAlarm]:
    """The causes that the operators must be told, the most frequent first."""
    cursor = connection.cursor(row_factory=class_row(FailureAlarm))
    await cursor.execute(query("failures_to_tell"), {"quiet_seconds": QUIET_SECONDS, "limit": MOST_TOLD_AT_ONCE})
    return await cursor.fetchall()


async def failures_are_to_tell(connection: AsyncConnection[DictRow]) -> bool:
    """Whether ``failures_to_tell`` would find any."""
    (row,) = await database.rows(connection, "failures_are_to_tell", quiet_seconds=QUIET_SECONDS)
    return bool(row["to_tell"])


async def mark_failures_told(
    connection: AsyncConnection[DictRow], causes: Sequence[str], numbers: Sequence[int]
) -> None:
    """Note that the operators were told these numbers of task instances, one for each cause."""
    await database.execute(connection, "mark_failures_told", causes=list(causes), numbers=list(numbers))


async def forget_failures(connection: AsyncConnection[DictRow], causes: Sequence[str]) -> None:
    """Delete these causes, after the operators were told that they are over."""
    await database.execute(connection, "forget_failures", causes=list(causes), quiet_seconds=QUIET_SECONDS)
