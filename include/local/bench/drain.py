"""Drain: requests accepted while both jobs were paused, then made; beside a bare script that does the same."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime
from itertools import cycle, islice
from math import ceil
from statistics import median
from typing import Any

import httpx
import psycopg

from include.local.airflow_api import JOBS, AirflowApi
from include.local.bench.bare import BareOrder, drain_barely
from include.local.bench.figures import Figure, Section, paired_ratio
from include.local.demo.events import read_events
from include.local.demo.intake_client import PATH
from include.local.demo.sample import samples
from include.local.order import Say
from include.local.part import LocalError
from include.local.system import System

REQUESTS = 2000
ROUNDS = 2
BULK = 500  # contract: most a call
PATIENCE_SECONDS = 120.0
LOOK_SECONDS = 0.2
LEAST_RATIO = 0.4
CONTROL = {"rendering": False}  # the simulator's own work on a PDF would hide everybody else's
ENDED = "SELECT count(*) FROM document_requests WHERE request_id = ANY (%s) AND status = 'COMPLETED'"

HOW = f"""{REQUESTS} requests accepted while both jobs are paused; the clock starts when they are resumed, and stops \
with the last final event's time stamp on Kafka. Beside it: a bare asyncio script that does only the same HTTP calls \
and row writes, in bulk, with as many calls in flight, and publishes nothing. The simulator takes 0.5 s a document \
and renders none. {ROUNDS} rounds of each, in turn."""


def bench_drain(system: System, say: Say) -> Section:
    """Measure it. Raises LocalError where either side does not come to an end."""
    api = AirflowApi(system.settings, system.secrets)
    bare, ours = list[list[float]](), list[list[float]]()
    _tell_the_simulator(system, "PUT", CONTROL)
    try:
        for number in range(ROUNDS):
            api.set_paused(JOBS, True)
            _accept(system, f"{number}A")
            bare.append(_drain_barely(system))
            ids = _accept(system, f"{number}B")
            ours.append(_drain(system, api, ids))
            say(f"  documents/s: {_over_all(ours[-1]):.0f}, bare script {_over_all(bare[-1]):.0f}")
    finally:
        _tell_the_simulator(system, "DELETE", None)
    return Section("Drain", HOW, _figures(ours, bare))


def _tell_the_simulator(system: System, method: str, control: Any) -> None:
    headers = {"Authorization": f"Bearer {system.addresses.thunderhead_token}"}
    try:
        url = f"{system.addresses.thunderhead_url}/control"
        httpx.request(method, url, json=control, headers=headers).raise_for_status()
    except httpx.HTTPError as error:
        raise LocalError(f"Thunderhead's simulator cannot be told: {error}") from error


def _accept(system: System, run: str) -> list[int]:
    """Hand the requests in. Returns their ids."""
    lines = [it.request for it in samples("") if it.expected == "COMPLETED" and it.source_system == "CIBT"]
    stamp = f"{datetime.now(UTC):%H%M%S}-{run}"
    requests = [
        {**line, "request_correlation_id": f"{stamp}-{number}"}
        for number, line in enumerate(islice(cycle(lines), REQUESTS))
    ]
    headers = {"Authorization": f"Bearer {system.env['OMS_TOKEN']}"}
    try:
        with httpx.Client(base_url=system.env["OMS_INTAKE_URL"], headers=headers, timeout=30) as intake:
            ids = [it for start in range(0, REQUESTS, BULK) for it in _stored(intake, requests[start : start + BULK])]
    except httpx.HTTPError as error:
        raise LocalError(f"The intake does not take requests in bulk: {error}") from error
    if len(ids) != REQUESTS:
        raise LocalError(f"The intake stored {len(ids)} of {REQUESTS} requests.")
    return ids


def _stored(intake: httpx.Client, requests: list[dict[str, Any]]) -> list[int]:
    answer = intake.post(f"{PATH}/bulk", json=requests).raise_for_status().json()
    return [result["request_id"] for result in answer["results"] if result["status"] == httpx.codes.ACCEPTED]


def _drain_barely(system: System) -> list[float]:
    settings, addresses = system.settings, system.addresses
    slices = min(settings.max_slices, ceil(REQUESTS / settings.slice_size))
    order = BareOrder(
        addresses.database_url, addresses.reference_data_url, addresses.thunderhead_url, addresses.thunderhead_token,
        in_flight=slices * settings.concurrency, first_poll_seconds=settings.first_poll_seconds,
    )  # fmt: skip
    try:
        return drain_barely(order, PATIENCE_SECONDS)
    except subprocess.SubprocessError as error:
        raise LocalError(f"The bare script failed: {getattr(error, 'stderr', None) or error}") from error


def _drain(system: System, api: AirflowApi, ids: list[int]) -> list[float]:
    """Let the jobs do it. Returns the seconds to each event."""
    began, deadline = time.time(), time.monotonic() + PATIENCE_SECONDS
    api.set_paused(JOBS, False)
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        while (row := connection.execute(ENDED, [ids]).fetchone()) and row[0] < len(ids):
            if time.monotonic() > deadline:
                raise LocalError(f"{row[0]} of {len(ids)} requests have ended after {PATIENCE_SECONDS:.0f} s.")
            time.sleep(LOOK_SECONDS)
    events = read_events(system.addresses.kafka, system.settings.kafka_topic, set(ids), PATIENCE_SECONDS)
    at = {event.request_id: event.at - began for event in events}
    if len(at) < len(ids):
        raise LocalError(f"{len(ids) - len(at)} events did not come.")
    return list(at.values())


def _over_all(seconds: list[float]) -> float:
    return len(seconds) / max(seconds)


def _figures(ours: list[list[float]], bare: list[list[float]]) -> list[Figure]:
    rates = [_over_all(it) for it in ours], [_over_all(it) for it in bare]
    firsts = [min(it) for it in ours], [min(it) for it in bare]
    ratio = paired_ratio(*rates)
    return [
        Figure(
            "documents/s over all", f"{median(rates[0]):.0f}", f"{median(rates[1]):.0f}", f"{ratio:.2f}",
            f"at least {LEAST_RATIO}", ratio >= LEAST_RATIO,
        ),
        Figure("from the start to the first end", f"{median(firsts[0]):.1f} s", f"{median(firsts[1]):.1f} s"),
    ]  # fmt: skip
