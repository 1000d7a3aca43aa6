"""The whole way without early wake: fixed schedules alone, no watcher, no trigger, no LISTEN."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from include.local.postgres import superuser_url
from tests.e2e.conftest import Client, running

SCHEDULE_SECONDS = 5
EXPECTED = {"COMPLETED": "COMPLETED", "FAILED_VALIDATION": "FAILED", "STOPPED": "STOPPED"}


@pytest.fixture(scope="module")
def fixed() -> Iterator[Client]:
    """A system whose jobs run on their schedules alone."""
    schedule = str(SCHEDULE_SECONDS)
    with running(early_wake=False, processing_schedule=schedule, monitoring_schedule=schedule) as it:
        yield it


def in_airflow(client: Client, sql: str) -> list[tuple[object, ...]]:
    """Ask Airflow's own database."""
    url = superuser_url(client.system.settings, client.system.secrets).rpartition("/")[0] + "/airflow"
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


def test_every_request_reaches_its_end_and_has_one_event(fixed: Client) -> None:
    sent = {fixed.post(sandbox=sandbox): status for sandbox, status in EXPECTED.items() for _ in range(3)}
    for request_id, status in sent.items():
        assert fixed.ended(request_id)["status"] == status
        assert len(fixed.events_of(request_id, 1)) == 1


def test_all_runs_are_scheduled_and_nothing_watches(fixed: Client) -> None:
    fixed.ended(fixed.post())
    jobs = "dag_id IN ('document_processing', 'document_monitoring', 'oms_watchdog')"
    assert in_airflow(fixed, f"SELECT DISTINCT run_type FROM dag_run WHERE {jobs}") == [("scheduled",)]
    assert in_airflow(fixed, "SELECT count(*) FROM trigger") == [(0,)]
    assert in_airflow(fixed, "SELECT count(*) FROM asset WHERE name LIKE '%work%'") == [(0,)]
    assert in_airflow(fixed, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN oms_work%'") == [(0,)]
    with psycopg.connect(fixed.env["OMS_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT count(*) FROM watchers WHERE waiting").fetchone() == (0,)


def test_clearing_a_red_task_instance_runs_its_requests_again(fixed: Client) -> None:
    fixed.control(fates=[{"match": {"document_name": "IVZRECPA"}, "status": "REJECTED", "first_n": 1}])
    bad = fixed.post()
    red = fixed.red_task_instance(bad, "document_processing", "process_slice")
    fixed.clear(red)
    assert fixed.ended(bad, revision=2)["status"] == "COMPLETED"
    fixed.control()
