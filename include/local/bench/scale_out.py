"""Scale-out: documents a second with 1, 2, 4 and 16 slices at work at the same time, against a slow Thunderhead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

import psycopg

from include.local.bench.figures import Figure, Section, paired_ratio
from include.local.bench.requests import (
    hand_in,
    set_paused,
    tell_the_simulator,
    wait_for_ends,
    wait_until_nobody_is_at_work,
)
from include.local.bench.settings import BenchSettings
from include.local.console import show_complaints
from include.local.order import Say
from include.local.system import System

SLICES = (1, 2, 4, 16)
ROUNDS = 1
LATENCY_SECONDS = 0.2
LEAST_OF_MOST = 14.0  # times one slice
SLICE_SIZE = 500
CONCURRENCY = 4  # calls in flight a slice: few enough for 16 slices on two cores
PATIENCE_SECONDS = 120.0
CONTROL = {"latency_seconds": LATENCY_SECONDS, "rendering": False}
WORKED_IN = """SELECT count(*), extract(epoch FROM min(opened_at))::float FROM slices WHERE slice_id IN (
                   SELECT slice_id FROM request_timeline WHERE request_id = ANY (%s) AND event = 'CLAIMED')"""

HOW = f"""A Thunderhead that takes {LATENCY_SECONDS * 1000:.0f} ms to answer each call, and 0.5 s a document. \
OMS_MAX_SLICES={max(SLICES)}, OMS_SLICE_SIZE={SLICE_SIZE}, OMS_CONCURRENCY={CONCURRENCY}. While Thunderhead is paused, \
the intake accepts as many requests as {", ".join(map(str, SLICES))} slices hold, so each slice has the same work. The \
clock starts when the first request is taken up, and stops with the last end. {ROUNDS} round of each. Beside each: one \
slice."""


def bench_scale_out(settings: BenchSettings, say: Say) -> Section:
    """Measure it, on a system with as many slices at a time. Raises LocalError if requests do not end."""
    wide = settings.model_copy(update={"max_slices": max(SLICES), "slice_size": SLICE_SIZE, "concurrency": CONCURRENCY})
    found: dict[int, list[float]] = {slices: [] for slices in SLICES}
    with System(wide, say) as system:
        show_complaints(system)
        tell_the_simulator(system, CONTROL)
        for number in range(ROUNDS):
            for slices, rates in found.items():
                rates.append(_round(system, slices, f"S{number}", say))
    return Section("Scale-out", HOW, _figures(found))


def _round(system: System, slices: int, run: str, say: Say) -> float:
    """Measure one round. Returns documents a second."""
    set_paused(system, paused=True)
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        wait_until_nobody_is_at_work(connection)  # a worker that still runs would take part in this round
        ids = hand_in(system, f"{run}-{slices}", slices * system.settings.slice_size)
        set_paused(system, paused=False)
        ends = wait_for_ends(system, ids, PATIENCE_SECONDS)
        worked_in, began = connection.execute(WORKED_IN, [ids]).fetchone() or (0, 0.0)
    rate: float = len(ends) / (ends[-1] - began)
    say(f"  {len(ids)} requests in {worked_in} slices: {rate:.0f} documents/s")
    return rate


def _figures(found: Mapping[int, Sequence[float]]) -> list[Figure]:
    one = found[SLICES[0]]
    ratios = {slices: paired_ratio(rates, one) for slices, rates in found.items() if slices != SLICES[0]}
    most = max(SLICES)
    return [
        Figure(
            f"documents/s, {slices} slices at a time", f"{median(found[slices]):.0f}", f"{median(one):.0f}",
            f"{ratio:.2f}", f"at least {LEAST_OF_MOST:.0f}" if slices == most else "",
            ratio >= LEAST_OF_MOST if slices == most else None,
        )
        for slices, ratio in ratios.items()
    ]  # fmt: skip
