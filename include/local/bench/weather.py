"""Weather: the same requests in the calm and in partial failures, limits and outages of Thunderhead, side by side."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf
from typing import Any, NamedTuple

import psycopg

from include.local.bench.figures import Figure, Section, percentile
from include.local.bench.requests import (
    Calls,
    calls_so_far,
    hand_in_evenly,
    set_paused,
    tell_the_simulator,
    wait_until_nobody_is_at_work,
)
from include.local.chaos.simulator import Simulator
from include.local.demo.events import read_events
from include.local.order import Say
from include.local.system import System

HAND_IN_PER_SECOND = 300.0
PATIENCE_SECONDS = 100.0
CLEAR_UP_SECONDS = 60.0  # for requests that have not ended by then; in the calm
LOOK_SECONDS = 0.5
EVENTS_SECONDS = 20.0
RUNNING_SECONDS = 5.0  # after the first request: by then the limits should be found
MOST_CALLS_INTO_AN_OUTAGE = 20  # after its first second
NEWS_SECONDS = 1.0
OPEN = """SELECT count(*), count(*) FILTER (WHERE EXISTS (
              SELECT FROM thunderhead_batches b
              WHERE b.request_id = r.request_id AND b.document_id_missing_since IS NOT NULL))
          FROM document_requests r WHERE request_id = ANY (%s) AND ended_at IS NULL"""
ACCEPTED_AT = (
    "SELECT request_id, extract(epoch FROM created_at)::float FROM document_requests WHERE request_id = ANY (%s)"
)
COSTS = """SELECT coalesce(sum(spent), 0), count(*) FILTER (WHERE status <> 'COMPLETED' AND ended_at IS NOT NULL)
           FROM document_requests WHERE request_id = ANY (%s)"""
BATCH_NAMES = "SELECT batch_name FROM thunderhead_batches WHERE request_id = ANY (%s)"
FORGET = """UPDATE outside_systems
    SET bearable_per_second = NULL, growth = DEFAULT, limited_at = NULL, paced_at = NULL, next_call_at = NULL,
        window_began_at = NULL, answered_in_window = DEFAULT, answered_per_second = NULL, answered_before = NULL,
        open_until = NULL, failures = 0, last_error = NULL, recent_answered = 0, recent_failed = 0"""

HOW = f"""Requests are handed in at {HAND_IN_PER_SECOND:.0f} a second, with default settings and 0.5 s a document. The \
weathers follow each other in one run. For each, the jobs have to find the limits of Thunderhead anew. Times are from \
acceptance to the broker's time stamp of the final event. Beside each: the calm. *Failing*: 10 % of the submits and 3 \
% of the reads are answered 500, 502 or 503 with Retry-After 1, and 3 % of all calls are cut. *Lost answers*: the \
batch is made, but the answer is an error, cut, HTML, empty or half, or does not come. *Limits*: 8 calls at a time and \
100 a second, 50 ms each; every other call is answered 429 with Retry-After 2. *Garbled reads*: 25 % of the reads are \
HTML, empty, half or of another shape, a tenth of the ids is left out, and 5 % of the batches are COMPLETED without a \
document id (the bench does not wait for these). *Outages*: 10 s of 503, 10 s of cut connections and 5 s of 401 within \
32 s, while 30 requests a second are handed in. "Made twice" compares Thunderhead's ledger with the rows. "Under way" \
is from {RUNNING_SECONDS:.0f} s after the first request to the 95th percentile of the ends."""

Seconds = float


class Outage(NamedTuple):
    """Seconds from the first request to its begin, its length, and the simulator's name for it."""

    at: Seconds
    seconds: Seconds
    mode: str


@dataclass(frozen=True)
class Weather:
    """The behaviour of Thunderhead, and the aims for the jobs in it. None: no aim."""

    name: str
    requests: int
    faults: Mapping[str, Any] = field(default_factory=dict)
    outages: Sequence[Outage] = ()
    per_second: float = HAND_IN_PER_SECOND
    p50: Seconds | None = None
    p95: Seconds | None = None
    worst: Seconds | None = None
    submits_a_document: float | None = None
    documents_per_second: float | None = None
    share_refused: float | None = None
    waits_for_all: bool = True  # except for those that are COMPLETED without a document id


ERRORS = {"submit_error_status": [500, 502, 503], "error_retry_after_seconds": 1}
CALM = Weather("calm", 1_500)
RAIN = (
    Weather(
        "failing", 1_500,
        ERRORS | {"submit_error_rate": 0.10, "read_error_rate": 0.03, "cut_connection_rate": 0.03},
        p50=3, p95=30, worst=90, submits_a_document=1.3,
    ),
    Weather(
        "lost answers", 1_500,
        {"error_after_effect_rate": 0.1, "unreadable_answer_rate": 0.1, "hang_after_effect_rate": 0.02},
        p50=3, p95=35, worst=90,
    ),
    Weather(
        "limits", 1_000,
        {
            "most_in_flight": 8, "rate_limit_per_second": 100, "limit_retry_after_seconds": 2, "latency_seconds": 0.05,
        },
        documents_per_second=80, share_refused=0.05,
    ),
    Weather(
        "garbled reads", 1_000,
        {
            "hostile_answers": {
                "left_out_ids": 0.1, "not_json": 0.06, "wrong_content_type": 0.07, "empty_body": 0.06,
                "other_shape": 0.06,
            },
            "late_document_id_rate": 0.05, "late_document_id_seconds": 3600,
        },
        worst=60, waits_for_all=False,
    ),
    Weather(
        "outages", 1_000,
        outages=(Outage(1, 10, "refuse"), Outage(14, 10, "reset"), Outage(27, 5, "unauthorized")), per_second=30,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """The result of one weather. ``seconds`` from each acceptance to its event; infinite if there was none."""

    weather: Weather
    seconds: Sequence[Seconds]
    ends: Sequence[Seconds]  # since the first acceptance
    calls: Calls
    spent: int
    failed: int
    made_twice: int
    calls_into_outages: Sequence[int] = ()

    @property
    def under_way(self) -> float:
        """Documents a second, from the time when the limits should be found."""
        until = percentile(self.ends, 0.95)
        return sum(RUNNING_SECONDS < it <= until for it in self.ends) / max(until - RUNNING_SECONDS, 0.001)


def bench_weather(system: System, say: Say) -> Section:
    """Measure it. Raises LocalError if the intake, the simulator or the broker fails."""
    measured: list[Measured] = []
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        _measure(system, connection, Weather("warm-up", 100))
        for weather in (CALM, *RAIN):
            it = _measure(system, connection, weather)
            worst = max(it.seconds)
            say(f"  {weather.name}: p50 {percentile(it.seconds, 0.5):.1f} s, worst {worst:.1f} s")
            measured.append(it)
    return Section("Weather", HOW, weather_figures(measured[0], measured[1:]))


def _measure(system: System, connection: psycopg.Connection, weather: Weather) -> Measured:
    wait_until_nobody_is_at_work(connection)
    connection.execute(FORGET)  # the found limits are those of another Thunderhead
    set_paused(system, paused=False)
    with _simulated(system, weather.faults), ThreadPoolExecutor(1) as sky:
        before = calls_so_far(system)
        outages = sky.submit(_be_out, system, weather.outages)
        ids = hand_in_evenly(system, f"Y{weather.name[:2]}", weather.requests, weather.per_second)
        _wait(connection, ids, PATIENCE_SECONDS, without=not weather.waits_for_all)
        calls = calls_so_far(system) - before
        into_outages = outages.result()
        unfinished = _open(connection, ids, without=not weather.waits_for_all)
        excused = _open(connection, ids) - unfinished
        spent, failed = connection.execute(COSTS, [ids]).fetchone() or (0, 0)
    _wait(connection, ids, CLEAR_UP_SECONDS)
    accepted: dict[int, float] = dict(connection.execute(ACCEPTED_AT, [ids]).fetchall())
    events = read_events(system.addresses.kafka, system.settings.kafka_topic, set(ids), EVENTS_SECONDS)
    at = {event.request_id: event.at for event in events}
    began = min(accepted.values())
    seconds = sorted(at.get(it, inf) - accepted[it] for it in ids)[: len(ids) - excused]
    made = Counter(batch["batchName"] for batch in Simulator(system.addresses).batches())
    names = [name for (name,) in connection.execute(BATCH_NAMES, [ids])]
    return Measured(
        weather, seconds, sorted(it - began for it in at.values()), calls, spent, failed,
        sum(made[name] > 1 for name in names), into_outages,
    )  # fmt: skip


@contextmanager
def _simulated(system: System, faults: Mapping[str, Any]) -> Iterator[None]:
    tell_the_simulator(system, {"rendering": False, **faults})
    try:
        yield
    finally:
        tell_the_simulator(system, {"rendering": False})


def _be_out(system: System, outages: Sequence[Outage]) -> list[int]:
    """Make Thunderhead fail as planned. Returns the calls into each outage after its first second."""
    began, calls = time.monotonic(), list[int]()
    for outage in outages:
        _sleep_until(began + outage.at)
        told = {"rendering": False, "outage": {"mode": outage.mode, "seconds": outage.seconds}}
        tell_the_simulator(system, told)
        _sleep_until(began + outage.at + NEWS_SECONDS)
        before = calls_so_far(system).calls
        _sleep_until(began + outage.at + outage.seconds)
        calls.append(calls_so_far(system).calls - before)
    return calls


def _sleep_until(at: Seconds) -> None:
    time.sleep(max(at - time.monotonic(), 0))


def _wait(connection: psycopg.Connection, ids: Sequence[int], seconds: float, *, without: bool = False) -> None:
    """Wait until all have ended, or time is up. ``without``: do not wait for those without a document id."""
    deadline = time.monotonic() + seconds
    while _open(connection, ids, without=without) and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)


def _open(connection: psycopg.Connection, ids: Sequence[int], *, without: bool = False) -> int:
    all_open, without_id = connection.execute(OPEN, [ids]).fetchone() or (0, 0)
    return int(all_open - without_id if without else all_open)


def weather_figures(calm: Measured, rain: Sequence[Measured]) -> list[Figure]:
    """The table: the calm, then each weather beside it."""
    figures = [_late(calm, calm, "p50", 0.5), _late(calm, calm, "p95", 0.95), _late(calm, calm, "worst", 1)]
    for it in rain:
        weather = it.weather
        figures += [
            _late(it, calm, "p50", 0.5, weather.p50),
            _late(it, calm, "p95", 0.95, weather.p95),
            _late(it, calm, "worst", 1, weather.worst),
            _figure(it, calm, "submits a document", _submits, weather.submits_a_document, "{:.2f}"),
            _figure(it, calm, "attempts spent", lambda it: it.spent, 0),
            _figure(it, calm, "FAILED", lambda it: it.failed, 0),
            _figure(it, calm, "made twice", lambda it: it.made_twice, 0),
        ]
        if weather.documents_per_second is not None:
            rate, least = it.under_way, weather.documents_per_second
            aim = f"at least {least:g}"
            figures.append(Figure(f"{weather.name}: documents/s under way", f"{rate:.0f}", "", "", aim, rate >= least))
        if weather.share_refused is not None:
            figures.append(_figure(it, calm, "share of calls refused", _refused, weather.share_refused, "{:.1%}"))
        for outage, calls in zip(weather.outages, it.calls_into_outages, strict=True):
            what = f"{weather.name}: calls into {outage.seconds:g} s of '{outage.mode}' after the first second"
            aim, is_met = f"at most {MOST_CALLS_INTO_AN_OUTAGE}", calls <= MOST_CALLS_INTO_AN_OUTAGE
            figures.append(Figure(what, f"{calls}", "", "", aim, is_met))
    return figures


def _submits(it: Measured) -> float:
    return it.calls.submits / it.weather.requests


def _refused(it: Measured) -> float:
    return it.calls.limited / max(it.calls.calls, 1)


def _late(it: Measured, calm: Measured, what: str, share: float, most: float | None = None) -> Figure:
    ours, beside = percentile(it.seconds, share), percentile(calm.seconds, share)
    return Figure(
        f"{it.weather.name}, {len(it.seconds):,}: accepted to event, {what}", f"{ours:.1f} s",
        "" if it is calm else f"{beside:.1f} s", "" if it is calm else f"{ours / beside:.1f}",
        "" if most is None else f"at most {most:g} s", None if most is None else ours <= most,
    )  # fmt: skip


def _figure(
    it: Measured, calm: Measured, what: str, of: Callable[[Measured], float], most: float | None, form: str = "{:g}"
) -> Figure:
    ours = of(it)
    aim = "" if most is None else f"at most {form.format(most)}" if most else "none"
    is_met = None if most is None else ours <= most
    return Figure(f"{it.weather.name}: {what}", form.format(ours), form.format(of(calm)), "", aim, is_met)
