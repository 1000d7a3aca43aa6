"""Fixed schedules as the settings have them: a cron expression in UTC, or a number of seconds between two runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise

from croniter import CroniterBadCronError, CroniterBadDateError, croniter

SHORTEST_SECONDS = 1.0  # Airflow's scheduler makes no runs in quicker succession
RUNS_COMPARED = 100  # of a cron expression: enough to see the shortest time between two


def as_interval(schedule: str) -> timedelta | None:
    """The time between two runs; None where the schedule is a cron expression."""
    try:
        return timedelta(seconds=float(schedule))
    except (ValueError, OverflowError):
        return None


@cache
def shortest_interval_seconds(schedule: str) -> float:
    """The shortest time between two runs. Raises ValueError, with a sentence, where the schedule makes no sense."""
    interval = as_interval(schedule)
    seconds = _shortest_of_cron(schedule) if interval is None else interval.total_seconds()
    if seconds < SHORTEST_SECONDS:
        raise ValueError(f"a schedule of {seconds:g} seconds: Airflow makes at most one run a second")
    return seconds


def checked_schedule(schedule: str) -> str:
    """The schedule as it is. Raises ValueError, with a sentence, where it makes no sense."""
    shortest_interval_seconds(schedule)
    return schedule


def _shortest_of_cron(schedule: str) -> float:
    if len(schedule.split()) != 5:
        raise ValueError(
            f"{schedule!r} is no schedule: write a number of seconds, or a cron expression of five fields, "
            "as */10 * * * * (every ten minutes)"
        )
    try:
        ticks = croniter(schedule, datetime(2026, 1, 1, tzinfo=UTC))
        instants: list[datetime] = [ticks.get_next(datetime) for _ in range(RUNS_COMPARED)]
    except CroniterBadDateError as error:
        raise ValueError(f"{schedule!r} is a schedule that never comes") from error
    except CroniterBadCronError as error:
        raise ValueError(f"{schedule!r} is no cron expression: {error}") from error
    return min((later - earlier).total_seconds() for earlier, later in pairwise(instants))
