"""Drain: requests accepted while Thunderhead was paused, then made; beside a bare script that does the same."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from math import ceil
from statistics import median

from include.local.bench.bare import BareOrder, drain_barely
from include.local.bench.figures import Figure, Section, paired_ratio, percentile
from include.local.bench.processes import JOBS, cpu_seconds, part_pids, watched
from include.local.bench.requests import (
    calls_so_far,
    hand_in,
    set_paused,
    tell_the_simulator,
    wait_for_ends,
)
from include.local.demo.events import read_events
from include.local.order import Say
from include.local.part import LocalError
from include.local.system import System

SMALL, LARGE = 2_000, 10_000
ROUNDS = 2
WARM_UP = 100  # not counted: the first run after a start finds everything cold
PATIENCE_SECONDS = 120.0
FIRST_END_SECONDS = 1.4
CPU_SECONDS = 0.30  # a 1,000
IDLE_SECONDS = 5.0  # Airflow without work is measured for this time before each large drain
AFTER_SECONDS = 3.0  # the workers' last moments count, too
CONTROL = {"rendering": False}  # rendering PDFs would take the CPU time that is measured

HOW = f"""{SMALL:,} and {LARGE:,} requests, accepted while Thunderhead is paused. The clock starts when Thunderhead is \
resumed. It stops at the time stamp of the last final event on Kafka. Beside it: a bare asyncio script that makes only \
the same HTTP calls and row writes, in bulk, with as many calls in flight. It publishes nothing. "Under way" is the \
time between the 10th and the 90th percentile of the ends. The simulator takes 0.5 s a document and renders none. \
{ROUNDS} rounds of each, in turn. CPU is that of the scheduler, the triggerer and all task processes, minus what they \
use when there is nothing to do. Memory is their peak, minus the same; shared pages count once."""


@dataclass
class _Side:
    """The results of one side, round by round; ``seconds`` from the start to each end."""

    seconds: list[list[float]] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)

    def figures(self, rate: Callable[[Sequence[float]], float]) -> list[float]:
        return [rate(it) for it in self.seconds]


def bench_drain(system: System, say: Say) -> Section:
    """Measure it. Raises LocalError if either side does not end."""
    figures: list[Figure] = []
    tell_the_simulator(system, CONTROL)
    try:
        _drain(system, hand_in(system, "W", WARM_UP), _Side())
        for requests in (SMALL, LARGE):
            bare, ours = _Side(), _Side()
            for number in range(ROUNDS):
                _drain_barely(system, f"{requests}-{number}A", requests, bare)
                ids = hand_in(system, f"{requests}-{number}B", requests)
                with _charged(system, ours) if requests == LARGE else nullcontext():
                    _drain(system, ids, ours)
                say(
                    f"  {requests} documents/s: {_over_all(ours.seconds[-1]):.0f},"
                    f" bare script {_over_all(bare.seconds[-1]):.0f}"
                )
            figures += _figures(requests, ours, bare)
    finally:
        set_paused(system, paused=False)
        tell_the_simulator(system, None)
    return Section("Drain", HOW, figures)


def _drain_barely(system: System, run: str, requests: int, bare: _Side) -> None:
    set_paused(system, paused=True)
    hand_in(system, run, requests)
    settings, addresses = system.settings, system.addresses
    slices = min(settings.max_slices, ceil(requests / settings.slice_size))
    order = BareOrder(
        addresses.database_url, addresses.reference_data_url, addresses.thunderhead_url, addresses.thunderhead_token,
        in_flight=slices * settings.concurrency, first_poll_seconds=settings.first_poll_seconds,
    )  # fmt: skip
    try:
        it = drain_barely(order, PATIENCE_SECONDS)
    except subprocess.SubprocessError as error:
        raise LocalError(f"The bare script failed: {getattr(error, 'stderr', None) or error}") from error
    bare.seconds.append(it.seconds)
    bare.cpu.append(it.cpu_seconds)


@contextmanager
def _charged(system: System, ours: _Side) -> Iterator[None]:
    """Measure what the jobs use while the block runs."""
    parts = part_pids(system, JOBS)
    before = cpu_seconds(parts)
    with watched(parts) as idling:
        time.sleep(IDLE_SECONDS)
    idle_rate = (cpu_seconds(parts) - before) / IDLE_SECONDS
    began = time.time()
    with watched(parts) as usage:
        yield
    ours.cpu.append(usage.cpu_seconds - idle_rate * (time.time() - began))
    ours.megabytes.append((usage.peak_bytes - idling.peak_bytes) / 2**20)


def _drain(system: System, ids: Sequence[int], ours: _Side) -> None:
    """Drain the queue with the jobs, and measure it."""
    calls, began = calls_so_far(system).calls, time.time()
    set_paused(system, paused=False)
    wait_for_ends(system, ids, PATIENCE_SECONDS)
    ours.calls.append(calls_so_far(system).calls - calls)
    events = read_events(system.addresses.kafka, system.settings.kafka_topic, set(ids), PATIENCE_SECONDS)
    at = {event.request_id: event.at - began for event in events}
    if len(at) < len(ids):
        raise LocalError(f"{len(ids) - len(at)} events did not come.")
    ours.seconds.append(list(at.values()))
    time.sleep(AFTER_SECONDS)


def _over_all(seconds: Sequence[float]) -> float:
    return len(seconds) / max(seconds)


def _under_way(seconds: Sequence[float]) -> float:
    return 0.8 * len(seconds) / max(percentile(seconds, 0.9) - percentile(seconds, 0.1), 0.001)


def _figures(requests: int, ours: _Side, bare: _Side) -> list[Figure]:
    def rate(what: str, of: Callable[[Sequence[float]], float], least: float | None) -> Figure:
        mine, others = ours.figures(of), bare.figures(of)
        ratio = paired_ratio(mine, others)
        aim, is_met = (f"at least {least}", ratio >= least) if least else ("", None)
        what = f"{requests:,}: {what}"
        return Figure(what, f"{median(mine):.0f}", f"{median(others):.0f}", f"{ratio:.2f}", aim, is_met)

    firsts = ours.figures(min), bare.figures(min)
    first = Figure(
        f"{requests:,}: from the start to the first end", f"{median(firsts[0]):.1f} s", f"{median(firsts[1]):.1f} s",
        "", f"at most {FIRST_END_SECONDS} s", median(firsts[0]) <= FIRST_END_SECONDS,
    )  # fmt: skip
    if requests == SMALL:
        return [rate("documents/s over all", _over_all, 0.75), first]
    cpu, bare_cpu = (median(side.cpu) / requests * 1000 for side in (ours, bare))
    calls = median(ours.calls) / requests
    return [
        rate("documents/s over all", _over_all, 1.0),
        rate("documents/s under way", _under_way, 1.4),
        first,
        Figure(
            f"{requests:,}: CPU seconds per 1,000",
            f"{cpu:.2f}",
            f"{bare_cpu:.2f}",
            f"{paired_ratio(ours.cpu, bare.cpu):.2f}",
            f"at most {CPU_SECONDS}",
            cpu <= CPU_SECONDS,
        ),
        Figure(f"{requests:,}: Thunderhead calls a document", f"{calls:.2f}", aim="at most 1.05", is_met=calls <= 1.05),
        Figure(f"{requests:,}: peak memory of the jobs", f"{median(ours.megabytes):.0f} MB"),
    ]
