"""Which day a run of oms_reconciliation looks at."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from airflow.sdk.exceptions import AirflowFailException

from include.jobs.reconciliation import day_to_reconcile

TODAY = datetime.now(UTC).date()


def test_the_day_before_the_run_in_utc() -> None:
    early_here = datetime.now(UTC).replace(hour=0, minute=30).astimezone(timezone(timedelta(hours=-5)))
    assert day_to_reconcile(None, early_here) == TODAY - timedelta(days=1)


def test_the_day_that_was_asked_for() -> None:
    asked = TODAY - timedelta(days=9)
    assert day_to_reconcile(asked.isoformat(), datetime.now(UTC)) == asked


@pytest.mark.parametrize(("day", "said"), [(TODAY, "not over yet"), (TODAY - timedelta(days=90), "no longer kept")])
def test_a_day_that_cannot_add_up_is_refused(day: date, said: str) -> None:
    with pytest.raises(AirflowFailException, match=said):
        day_to_reconcile(day.isoformat(), datetime.now(UTC))
