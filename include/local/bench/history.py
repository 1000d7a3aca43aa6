"""History: the queries of jobs, intake and console, with more and more finished requests in the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from statistics import median

from include.local.bench.figures import Figure, Section, paired_ratio
from include.local.bench.history_fill import make_history
from include.local.bench.history_plans import write_plans
from include.local.bench.history_probes import PROBES, Connections, Probe
from include.local.bench.settings import BenchSettings
from include.local.order import Say
from include.local.part import Part
from include.local.postgres import superuser_url
from include.local.system import System

SIZES = (10_000, 100_000, 1_000_000)
LARGE = 10_000_000
ROUNDS = 4
AGAIN = 2  # additional rounds where an aim is missed, as a multiple of ROUNDS
LEAST_TIMES, LEAST_SECONDS = 8, 0.06  # of one probe in one round at one size
LARGEST_RATIO = 1.2
OURS = ("postgresql", "oms-migrations")

HOW = f"""The functions that the jobs, the intake and the console call, each in a transaction that is rolled back. All \
databases have the same open work: 500 requests due, 500 batches at Thunderhead whose poll is due, 100 events waiting. \
They differ in the number of finished requests of the last 90 days, which have payload, metadata, batches, errors, \
timeline and events. There are {ROUNDS} rounds, in turn. A round calls each function {LEAST_TIMES} times or more, and \
counts the shortest time. Where an aim is missed, there are three times as many rounds. "Measured" is the median of \
the rounds with the most finished requests, "beside it" with the fewest. Each ratio is the median of the rounds' own \
ratios. `ARGS="--only history --ten-million"` adds ten million. The bench leaves the plans in \
`var/bench/query-plans.md`."""


class HistorySystem(System):
    """A system of a database only."""

    def _make_parts(self) -> list[Part]:
        return [part for part in super()._make_parts() if part.name in OURS]


def bench_history(settings: BenchSettings, say: Say, *, ten_million: bool = False) -> Section:
    """Measure it, and write the plans. Raises LocalError if the database does not start."""
    sizes = (*SIZES, LARGE) if ten_million else SIZES
    with HistorySystem(settings, say) as system:
        url = superuser_url(settings, system.secrets)
        urls = dict[int, str]()
        for size in sizes:
            began = time.monotonic()
            urls[size] = make_history(url, size)
            say(f"  {size:,} finished requests made in {time.monotonic() - began:.1f} s")
        figures = asyncio.run(_measure(urls, say))
        write_plans(urls[max(urls)], max(urls), settings.var_dir / "query-plans.md")
        return Section("History", HOW, figures)


async def _measure(urls: Mapping[int, str], say: Say) -> list[Figure]:
    connections = {size: await Connections.open(url) for size, url in urls.items()}
    figures = list[Figure]()
    for number, probe in enumerate(PROBES, start=1):
        seconds: dict[int, list[float]] = {size: [] for size in connections}
        await _rounds(probe, connections, seconds)
        if not history_figure(probe.what, seconds).is_met:  # the cause may be other work of the machine: measure longer
            for _ in range(AGAIN):
                await _rounds(probe, connections, seconds)
        figures.append(history_figure(probe.what, seconds))
        say(f"  {number} of {len(PROBES)}: {probe.what}: {figures[-1].ours}; {figures[-1].ratio}")
    for each in connections.values():
        await each.close()
    return figures


async def _rounds(probe: Probe, connections: Mapping[int, Connections], found: Mapping[int, list[float]]) -> None:
    """Add the shortest time of each round, by size: other work of the machine only makes a time longer."""
    for _ in range(ROUNDS):
        for size, to in connections.items():
            found[size].append(await _least_seconds(probe, to))


async def _least_seconds(probe: Probe, connections: Connections) -> float:
    seconds, until = list[float](), time.monotonic() + LEAST_SECONDS
    while len(seconds) < LEAST_TIMES or time.monotonic() < until:
        seconds.append(await probe.seconds(connections))
    return min(seconds)


def history_figure(what: str, seconds: Mapping[int, Sequence[float]]) -> Figure:
    """Seconds by size, round by round: the largest size beside the smallest."""
    least, most = min(seconds), max(seconds)
    ratios = {size: paired_ratio(found, seconds[least]) for size, found in seconds.items() if size != least}
    return Figure(
        what, f"{median(seconds[most]) * 1000:.2f} ms", f"{median(seconds[least]) * 1000:.2f} ms",
        ", ".join(f"{size:,}: {ratio:.2f}" for size, ratio in ratios.items()), f"at most {LARGEST_RATIO}",
        max(ratios.values()) <= LARGEST_RATIO,
    )  # fmt: skip
