"""Prometheus metrics: calls by route and status, the queue, and what was promised: how soon an end is told.

Several processes serve one port, so a scrape must add them up: prometheus-client does that over files that they
share (PROMETHEUS_MULTIPROC_DIR, set by gunicorn.conf.py). All else is the database's: every intake answers the same, so
a query takes the largest of them and does not add them up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from math import inf
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from include.oms.ending.promise import BUCKET_SECONDS
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
PAIR = ("document_type", "source_system")
GAUGES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "oms_due_requests": ("Requests that may be claimed now; 100,000 at most are counted.", PAIR),
    "oms_red_requests": ("Requests that need a person; 100,000 at most are counted.", PAIR),
    "oms_outbox_events": ("Events that are not published.", ("state",)),
    "oms_breaker_open": ("1: the breaker of the outside system is open.", ("system", "document_type")),
    "oms_system_paused": ("1: the outside system is paused.", ("system", "document_type")),
    "oms_open_runs": ("Runs that have not completed.", ("late",)),
}


def metrics_text(settings: IntakeSettings, database: Database, accept: str = "") -> tuple[bytes, str]:
    """All metrics in the format that ``accept`` asks for, and its content type. OpenMetrics has exemplars, too."""
    registry = CollectorRegistry()
    if settings.metrics_directory:
        MultiProcessCollector(registry, str(settings.metrics_directory))  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(OfTheDatabase(database))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class OfTheDatabase(Collector):
    """What the database counts. A query that it does not answer is left out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[Metric]:
        """The queue, the gauges, the ends."""
        for query, metrics in (("count_open_requests", _queue), ("gauges", _gauges), ("end_counts", _ends)):
            try:
                rows = self._database.rows(query)
            except DatabaseOutOfReach:
                continue
            yield from metrics(rows)


def _queue(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """Depth and oldest age, by status."""
    depth = GaugeMetricFamily("oms_open_requests", "Requests that have not ended.", labels=["status"])
    age = GaugeMetricFamily(
        "oms_oldest_open_request_seconds", "Age of the oldest of them, from not_before on.", labels=["status"]
    )
    by_status = {row["status"]: row for row in rows}
    for status in OPEN:
        row = by_status.get(status, {"number": 0, "oldest_seconds": 0.0})
        depth.add_metric([status], row["number"])
        age.add_metric([status], row["oldest_seconds"])
    yield depth
    yield age


def _gauges(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    families = {name: GaugeMetricFamily(name, text, labels=labels) for name, (text, labels) in GAUGES.items()}
    for row in rows:
        labels = [row["first_label"], row["second_label"]][: len(GAUGES[row["metric"]][1])]
        families[row["metric"]].add_metric(labels, row["value"])
    yield from families.values()


def _ends(rows: Iterable[Mapping[str, Any]]) -> Iterator[Metric]:
    """Ends by status; seconds to the event in buckets, each with the trace of the newest one in it."""
    ends = CounterMetricFamily("oms_ends", "Ends that were told by an event.", labels=[*PAIR, "status"])
    seconds = HistogramMetricFamily(
        "oms_accepted_to_event_seconds",
        "From acceptance (or not_before, or its run's release) to the event of a request's first end.",
        labels=PAIR,
    )
    for pair, of_pair in groupby(rows, key=lambda row: (row["document_type"], row["source_system"])):
        numbers, total, exemplars = defaultdict[float, int](int), 0.0, dict[float, Exemplar]()
        by_status = defaultdict[str, int](int)
        for row in of_pair:
            by_status[row["status"]] += row["number"]
            if bound := row["within_seconds"]:  # 0: a later end, which is not measured
                numbers[bound] += row["number"]
                total += row["seconds"]
                if row["trace_id"]:
                    trace = {"trace_id": row["trace_id"]}
                    exemplars[bound] = Exemplar(trace, row["trace_seconds"], row["traced_at"])
        for status, number in sorted(by_status.items()):
            ends.add_metric([*pair, status], number)
        seconds.add_metric(pair, buckets=_cumulative(numbers, exemplars), sum_value=total)
    yield ends
    yield seconds


def _cumulative(numbers: Mapping[float, int], exemplars: Mapping[float, Exemplar]) -> list[Any]:
    """The buckets as Prometheus has them: each counts those below it, too."""
    found, so_far = list[Any](), 0
    for bound in (*BUCKET_SECONDS, inf):
        so_far += numbers.get(bound, 0)
        label = floatToGoString(bound)  # type: ignore[no-untyped-call]
        found.append((label, so_far, exemplars.get(bound)))
    return found
