"""When the jobs run: together, because they belong together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import Asset, AssetOrTimeSchedule, AssetWatcher, DeltaTriggerTimetable

from include.jobs.watch import LateWork, WorkIsDue
from include.oms.base.settings import settings

START = datetime(2026, 1, 1, tzinfo=UTC)

# Whatever the watchers do: so often each job runs at least.
AT_LEAST_EVERY = timedelta(minutes=10)

# Runs may overlap: leases keep their slices apart, a slow slice holds up nobody, and a cleared run starts at once. So
# there is room for more than work at a time (OMS_MAX_SLICES).
MOST_ACTIVE_RUNS = 16

# A slice's name in the grid: as it was cut, and once it is over as it has grown.
SLICE_LABEL_TEMPLATE = "{{ slice_label | default(task.op_kwargs['a_slice']['label']) }}"


def whenever_due(job: str, interval_seconds: float) -> AssetOrTimeSchedule:
    """A run whenever ``job`` has something to do: looked at once an interval, and at once when work comes."""
    watcher = AssetWatcher(name=f"{job}_is_due", trigger=WorkIsDue(job, interval_seconds))
    return AssetOrTimeSchedule(
        timetable=DeltaTriggerTimetable(AT_LEAST_EVERY), assets=[Asset(f"{job}_work", watchers=[watcher])]
    )


PROCESSING_SCHEDULE = whenever_due("document_processing", settings().processing_interval_seconds)
MONITORING_SCHEDULE = whenever_due("document_monitoring", settings().monitoring_interval_seconds)

# A run a minute whose only news is that all is well would be most of what Airflow keeps of an idle day.
WATCHDOG_SCHEDULE = AssetOrTimeSchedule(
    timetable=DeltaTriggerTimetable(AT_LEAST_EVERY),
    assets=[
        Asset(
            "late_work",
            watchers=[AssetWatcher(name="work_is_late", trigger=LateWork(settings().watchdog_interval_seconds))],
        )
    ],
)
