"""The history that the bench makes is one that the system could have made, and measuring leaves nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from include.local.bench.history_fill import LIVE, TABLES, make_history
from include.local.bench.history_plans import write_plans
from include.local.bench.history_probes import PROBES

REQUESTS = 6_000  # the fewest in which every probe finds a page


@pytest.fixture(scope="module")
def history_url(postgres_url: str, template_database: str) -> str:
    return make_history(postgres_url, REQUESTS, template_database)


@pytest.fixture
def history(history_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(history_url, autocommit=True) as connection:
        yield connection


def count(history: psycopg.Connection, what: str) -> int:
    found = history.execute(f"SELECT count(*) FROM {what}").fetchone()
    assert found
    return int(found[0])


@pytest.mark.parametrize(
    ("what", "number"),
    [
        ("document_requests WHERE status IN ('COMPLETED', 'FAILED')", REQUESTS + LIVE["live_outbox"]),
        ("document_requests WHERE status = 'QUEUED'", LIVE["live_queued"]),
        ("thunderhead_batches WHERE status = 'PROCESSING_THUNDERHEAD'", LIVE["live_in_flight"]),
        ("final_events WHERE published_at IS NULL", LIVE["live_outbox"]),
        ("final_events e JOIN document_requests r USING (request_id) WHERE e.revision <> r.revision", 0),
        ("thunderhead_batches b LEFT JOIN document_requests r USING (request_id) WHERE r.request_id IS NULL", 0),
        (
            "request_timeline t WHERE slice_id > 0 AND NOT EXISTS (SELECT FROM slices s WHERE s.slice_id = t.slice_id)",
            0,
        ),
    ],
)
def test_as_many_as_there_should_be(history: psycopg.Connection, what: str, number: int) -> None:
    assert count(history, what) == number


def test_the_indexes_are_there_again(history: psycopg.Connection, postgres_url: str, template_database: str) -> None:
    definitions = "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"
    with psycopg.connect(postgres_url.replace("/postgres?", f"/{template_database}?")) as template:
        assert history.execute(definitions).fetchall() == template.execute(definitions).fetchall()


def test_every_plan_is_told_and_nothing_remains(history: psycopg.Connection, history_url: str, tmp_path: Path) -> None:
    before = [count(history, table) for table in TABLES]
    write_plans(history_url, REQUESTS, tmp_path / "plans.md")
    sections = (tmp_path / "plans.md").read_text().split("\n## ")[1:]
    assert [section.splitlines()[0] for section in sections] == [probe.what for probe in PROBES]
    assert all("Scan" in section for section in sections)
    assert [count(history, table) for table in TABLES] == before
