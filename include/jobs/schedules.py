"""When the jobs run: on fixed schedules, which watchers in the triggerer anticipate when work is due."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, CronTriggerTimetable, DeltaTriggerTimetable
from airflow.triggers.base import BaseEventTrigger

from include.jobs.watchers import BulkWork, LateWork, WorkIsDue
from include.oms.base.schedule import as_interval
from include.oms.base.settings import EVERY_MINUTE, EVERY_TEN_MINUTES, settings

LOOK_FOR_BULK_SECONDS = 60.0  # at the latest, for a bulk operation whose worker was killed

Timetable: TypeAlias = CronTriggerTimetable | DeltaTriggerTimetable

START = datetime(2026, 1, 1, tzinfo=UTC)

# Runs may overlap: leases keep their slices apart, a slow slice holds up nobody, and a cleared run starts at once. So
# there is room for more than work at a time (OMS_MAX_SLICES).
MOST_ACTIVE_RUNS = 16

# A slice's name in the grid: as it was cut, and once it is over as it has grown.
SLICE_LABEL_TEMPLATE = "{{ slice_label | default(task.op_kwargs['a_slice']['label']) }}"


def fixed_schedule(schedule: str, *, early_wake: Asset) -> Timetable | AssetOrTimeSchedule:
    """Runs on ``schedule`` (a cron expression in UTC, or seconds), and besides whenever ``early_wake`` is updated.

    With OMS_EARLY_WAKE=false on the schedule alone: there is no asset then, and no trigger.
    """
    interval = as_interval(schedule)
    timetable = CronTriggerTimetable(schedule, timezone="UTC") if interval is None else DeltaTriggerTimetable(interval)
    return AssetOrTimeSchedule(timetable=timetable, assets=[early_wake]) if settings().early_wake else timetable


def _watched(asset: str, watcher: str, trigger: BaseEventTrigger) -> Asset:
    """An asset that is updated whenever its watcher, in the triggerer, fires."""
    return Asset(asset, watchers=[AssetWatcher(name=watcher, trigger=trigger)])


PROCESSING_WORK = _watched(
    "document_processing_work",
    "document_processing_is_due",
    WorkIsDue("document_processing", settings().processing_interval_seconds),
)
MONITORING_WORK = _watched(
    "document_monitoring_work",
    "document_monitoring_is_due",
    WorkIsDue("document_monitoring", settings().monitoring_interval_seconds),
)
BULK_WORK = _watched("bulk_operations_work", "bulk_operations_are_due", BulkWork(LOOK_FOR_BULK_SECONDS))
LATE_WORK = _watched("late_work", "work_is_late", LateWork(settings().watchdog_interval_seconds))

# A run a minute whose only news is that all is well would be most of what Airflow keeps of an idle day.
WATCHDOG_SCHEDULE = EVERY_TEN_MINUTES if settings().early_wake else f"{settings().watchdog_interval_seconds:g}"
BULK_SCHEDULE = EVERY_TEN_MINUTES if settings().early_wake else EVERY_MINUTE
