"""Fixed schedules: what makes sense, and the sentence where one does not."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from include.oms.base.schedule import shortest_interval_seconds
from include.oms.base.settings import Settings


@pytest.mark.parametrize(
    ("schedule", "seconds"),
    [("*/10 * * * *", 600), ("* * * * *", 60), ("7", 7), ("2.5", 2.5), ("0,5 * * * *", 300), ("0 3 * * 1", 604_800)],
)
def test_the_shortest_time_between_two_runs(schedule: str, seconds: float) -> None:
    assert shortest_interval_seconds(schedule) == seconds


@pytest.mark.parametrize(
    "schedule",
    ["", "often", "0", "-5", "0.1", "nan", "inf", "1e400", "61 * * * *", "0 0 30 2 *", "* * * * * *", "@once", "* * *"],
)
def test_a_schedule_without_sense_stops_the_start_with_a_sentence(schedule: str) -> None:
    with pytest.raises(ValidationError) as error:
        Settings(monitoring_schedule=schedule)
    (found,) = error.value.errors()
    assert found["loc"] == ("monitoring_schedule",)
    assert "schedule" in found["msg"] or "cron expression" in found["msg"]


def test_without_early_wake_the_default_is_every_minute() -> None:
    assert Settings().processing_schedule == Settings().monitoring_schedule == "*/10 * * * *"
    alone = Settings(early_wake=False, monitoring_schedule="30")
    assert (alone.processing_schedule, alone.monitoring_schedule) == ("* * * * *", "30")


def test_work_is_not_late_before_the_next_scheduled_run() -> None:
    with pytest.raises(ValidationError, match=r"every 3600 s, .*OMS_LATE_QUEUED_SECONDS"):
        Settings(early_wake=False, processing_schedule="0 * * * *")
    assert Settings(processing_schedule="0 * * * *").processing_schedule == "0 * * * *"


@pytest.mark.parametrize(
    ("settings", "seconds"),
    [
        (Settings(), 60),
        (Settings(early_wake=False), 45),
        (Settings(early_wake=False, slice_seconds=0), 0),
        (Settings(early_wake=False, processing_schedule="20", monitoring_schedule="40"), 15),
        (
            Settings(
                early_wake=False, processing_schedule="0 * * * *", monitoring_schedule="0 * * * *",
                late_queued_seconds=9000, late_poll_seconds=9000,
            ),
            1200,
        ),
    ],
)  # fmt: skip
def test_a_worker_has_ended_when_the_next_scheduled_run_claims(settings: Settings, seconds: float) -> None:
    assert settings.claiming_seconds == seconds
