"""Backpressure: how the jobs find Thunderhead's rate limit."""

from __future__ import annotations

import time

import psycopg

from include.local.bench.figures import Figure, Section
from include.local.bench.requests import calls_so_far, hand_in, set_paused, tell_the_simulator, wait_for_ends
from include.local.order import Say
from include.local.system import System

REQUESTS = 1_500
CALLS_PER_SECOND = 150
PATIENCE_SECONDS = 120.0
FORGET = "UPDATE outside_systems SET bearable_per_second = NULL, limited_at = NULL, next_call_at = NULL"

HOW = f"""{REQUESTS:,} requests for a Thunderhead that answers {CALLS_PER_SECOND} calls a second. It answers every \
other call with 429 and a Retry-After. The jobs do not know this rate in advance."""


def bench_backpressure(system: System, say: Say) -> Section:
    """Measure it. Raises LocalError if the requests do not end."""
    set_paused(system, paused=True)
    ids = hand_in(system, "L", REQUESTS)
    tell_the_simulator(system, {"rendering": False, "rate_limit_per_second": CALLS_PER_SECOND})
    before = calls_so_far(system)
    began = time.time()
    try:
        set_paused(system, paused=False)
        ends = wait_for_ends(system, ids, PATIENCE_SECONDS)
        after = calls_so_far(system)
    finally:
        tell_the_simulator(system, None)
        with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
            connection.execute(FORGET)  # what is measured next has another Thunderhead
    rate = len(ends) / (ends[-1] - began)
    refused = (after.limited - before.limited) / (after.calls - before.calls)
    say(f"  documents/s: {rate:.0f} of {CALLS_PER_SECOND} calls, {refused:.0%} refused")
    return Section(
        "Backpressure",
        HOW,
        [
            Figure("documents/s over all", f"{rate:.0f}", f"{CALLS_PER_SECOND}", f"{rate / CALLS_PER_SECOND:.2f}"),
            Figure(
                "calls refused", f"{after.limited - before.limited}", f"{after.calls - before.calls}", f"{refused:.3f}"
            ),
        ],
    )
