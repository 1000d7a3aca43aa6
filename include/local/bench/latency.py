"""Latency: one request into an idle system, from its 202 to its event on Kafka."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime

from include.local.bench.figures import Figure, Section, percentile
from include.local.demo.events import read_events
from include.local.demo.intake_client import Accepted, IntakeClient
from include.local.demo.sample import samples
from include.local.demo.thunderhead_client import generation_seconds
from include.local.order import Say
from include.local.part import LocalError
from include.local.system import System

REQUESTS = 30
WARM_UP = 2  # not counted: the first run after a start finds everything cold
PAUSE_SECONDS = (1.0, 3.0)  # between two requests, drawn: none is to meet the jobs in step
END_SECONDS = 60.0
LOOK_SECONDS = 0.1
LARGEST_P50_SECONDS = 2.5
LARGEST_SECONDS = 4.0

HOW = f"""One request at a time into the whole system at its default settings, {REQUESTS} of them, each some seconds \
after the one before has ended; from the intake's 202 to the broker's time stamp of the final event. Beside it: what \
Thunderhead itself takes to generate a document."""


def bench_latency(system: System, say: Say) -> Section:
    """Measure it. Raises LocalError where a request does not end in time."""
    accepted = _one_by_one(system, say)
    wanted = {it.request_id for it in accepted}
    events = read_events(system.addresses.kafka, system.settings.kafka_topic, wanted, END_SECONDS)
    told_at = {event.request_id: event.at for event in events}
    if missing := wanted - told_at.keys():
        raise LocalError(f"No event came for these requests: {sorted(missing)}")
    seconds = [told_at[it.request_id] - it.at for it in accepted]
    return Section("Latency", HOW, _figures(seconds, generation_seconds(system.addresses)))


def _one_by_one(system: System, say: Say) -> list[Accepted]:
    began = datetime.now(UTC)
    chance = random.Random(1)  # noqa: S311 - no secret
    completing = [it for it in samples(f"{began:%H%M%S}") if it.expected == "COMPLETED"]
    accepted: list[Accepted] = []
    with IntakeClient(system.env["OMS_INTAKE_URL"], system.settings) as intake:
        for sample in completing[: WARM_UP + REQUESTS]:
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            accepted.append(intake.hand_in(sample))
            _wait(intake, began.isoformat(), len(accepted))
            say(f"  request {len(accepted)} of {WARM_UP + REQUESTS} has ended")
    return accepted[WARM_UP:]


def _wait(intake: IntakeClient, since: str, number: int) -> None:
    """Until so many requests are COMPLETED."""
    deadline = time.monotonic() + END_SECONDS
    while (counts := intake.counts(since))["COMPLETED"] < number:
        if time.monotonic() > deadline:
            raise LocalError(f"A request has not ended after {END_SECONDS:.0f} s: {dict(counts)}")
        time.sleep(LOOK_SECONDS)


def _figures(seconds: list[float], generation: float) -> list[Figure]:
    def figure(what: str, value: float, most: float | None = None) -> Figure:
        return Figure(
            what, f"{value:.2f} s", f"{generation:.2f} s", f"{value / generation:.1f}" if generation else "",
            f"under {most} s" if most else "", value < most if most else None,
        )  # fmt: skip

    return [
        figure("accepted to event, p50", percentile(seconds, 0.5), LARGEST_P50_SECONDS),
        figure("accepted to event, p95", percentile(seconds, 0.95)),
        figure(f"accepted to event, worst of {len(seconds)}", max(seconds), LARGEST_SECONDS),
    ]
