"""Prometheus metrics: calls by route and status, and the queue.

Several processes serve one port, so a scrape must add them up: prometheus-client does that over files that they
share (PROMETHEUS_MULTIPROC_DIR, set by gunicorn.conf.py). The queue is the database's; one query a scrape counts it.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from include.oms.intake.database import Database
from include.oms.intake.refusals import DatabaseOutOfReach
from oms_intake.settings import IntakeSettings

CALL_SECONDS = Histogram(
    "oms_intake_call_seconds",
    "Calls of the intake: number and duration.",
    ("method", "route", "code"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
BROKEN_CONTENTS = Counter(
    "oms_intake_broken_contents",
    "Requests whose content breaks the schema of its document name; mode: refuse (422) or warn (stored).",
    ("document_name", "mode"),
)
OPEN = ("QUEUED", "PROCESSING")


def metrics_text(settings: IntakeSettings, database: Database) -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    if settings.metrics_directory:
        MultiProcessCollector(registry, str(settings.metrics_directory))  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(Queue(database))
    return generate_latest(registry)


class Queue(Collector):
    """The open requests; left out while the database cannot say."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Depth and oldest age, by status."""
        depth = GaugeMetricFamily("oms_open_requests", "Requests that have not ended.", labels=["status"])
        age = GaugeMetricFamily(
            "oms_oldest_open_request_seconds", "Age of the oldest of them, from not_before on.", labels=["status"]
        )
        try:
            rows = {row["status"]: row for row in self._database.rows("count_open_requests")}
        except DatabaseOutOfReach:
            return
        for status in OPEN:
            row = rows.get(status, {"number": 0, "oldest_seconds": 0.0})
            depth.add_metric([status], row["number"])
            age.add_metric([status], row["oldest_seconds"])
        yield depth
        yield age
