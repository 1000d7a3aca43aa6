"""What the DAGs' schedules are in Airflow's own terms, with early wake and without it."""

from __future__ import annotations

import pytest
from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, DeltaTriggerTimetable

from include.jobs import schedules
from include.jobs.schedules import PROCESSING_WORK, fixed_schedule
from include.oms.base.settings import Settings


@pytest.mark.parametrize(("schedule", "kind"), [("*/10 * * * *", CronTriggerTimetable), ("5", DeltaTriggerTimetable)])
@pytest.mark.parametrize("early_wake", [True, False])
def test_the_fixed_schedule_holds_in_both_modes(
    monkeypatch: pytest.MonkeyPatch, schedule: str, kind: type, early_wake: bool
) -> None:
    monkeypatch.setattr(schedules, "settings", lambda: Settings(early_wake=early_wake))
    made = fixed_schedule(schedule, early_wake=PROCESSING_WORK)
    if early_wake:
        assert isinstance(made, AssetOrTimeSchedule)
        assert isinstance(made.timetable, kind)
    else:
        assert isinstance(made, kind)
