"""Latency: one request into an idle system, from its 202 to its event on Kafka."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from statistics import median

import psycopg

from include.local.airflow_api import JOBS, AirflowApi
from include.local.bench.figures import Figure, Section, percentile
from include.local.bench.requests import hand_in, wait_for_ends, wait_until_nobody_is_at_work
from include.local.demo.events import read_events
from include.local.demo.intake_client import Accepted, IntakeClient
from include.local.demo.sample import samples
from include.local.demo.thunderhead_client import generation_seconds
from include.local.environment import client_tokens
from include.local.order import Say
from include.local.part import LocalError
from include.local.system import System

REQUESTS = 30
IN_A_STREAM = 10
WARM_UP = 1  # not counted: the first run finds everything cold
PAUSE_SECONDS = (0.0, 1.0)  # between two requests, random: no request must be in step with the jobs
END_SECONDS = 60.0
LOOK_SECONDS = 0.1
RESUMES = 3
PAUSED_SECONDS = 3.0  # Airflow has taken note of the pause
LARGEST_P50_SECONDS = 1.4
LARGEST_SECONDS = 2.0
LARGEST_RESUME_SECONDS = 2.0
SUBMITTED_AT = "SELECT extract(epoch FROM min(submitted_at))::float FROM thunderhead_batches WHERE request_id = %s"

HOW = f"""One request at a time into the whole system at its default settings. First {REQUESTS} requests into an idle \
system, each some time after the last worker has ended. Then {IN_A_STREAM} in a stream, about one a second, while a \
worker still runs. Times are from the intake's 202 to the broker's time stamp of the final event. Beside it: the time \
that Thunderhead itself takes to generate a document. "After a resume": both DAGs are paused, a request is accepted, \
and they are resumed as by `make resume`; the median of {RESUMES}, from the resume to the submit."""


def bench_latency(system: System, say: Say) -> Section:
    """Measure it. Raises LocalError if a request does not end in time."""
    idle, stream = _hand_in(system, say)
    wanted = {it.request_id for it in idle + stream}
    events = read_events(system.addresses.kafka, system.settings.kafka_topic, wanted, END_SECONDS)
    told_at = {event.request_id: event.at for event in events}
    if missing := wanted - told_at.keys():
        raise LocalError(f"No event came for these requests: {sorted(missing)}")
    resumes = [_after_a_resume(system, number, say) for number in range(RESUMES)]
    into_idle, in_stream = ([told_at[it.request_id] - it.at for it in accepted] for accepted in (idle, stream))
    return Section("Latency", HOW, _figures(into_idle, in_stream, resumes, generation_seconds(system.addresses)))


def _hand_in(system: System, say: Say) -> tuple[list[Accepted], list[Accepted]]:
    """Send requests one by one. Returns those that met an idle system, and those that met a worker."""
    began = datetime.now(UTC)
    chance = random.Random(1)  # noqa: S311 - no secret
    completing = [
        it for it in samples(f"{began:%H%M%S}")
        if it.expected == "COMPLETED" and "sandbox" not in it.request["document_content"]  # which fails at first
    ]  # fmt: skip
    accepted: list[Accepted] = []
    with (
        IntakeClient(system.env["OMS_INTAKE_URL"], client_tokens(system.settings)) as intake,
        psycopg.connect(system.addresses.database_url, autocommit=True) as connection,
    ):
        for sample in completing[: WARM_UP + REQUESTS]:
            wait_until_nobody_is_at_work(connection)
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            accepted.append(intake.hand_in(sample))
            _wait_for_ends(intake, began.isoformat(), len(accepted))
            say(f"  request {len(accepted)} of {WARM_UP + REQUESTS} has ended")
        idle = len(accepted)
        for sample in completing[idle : idle + IN_A_STREAM]:
            time.sleep(chance.uniform(*PAUSE_SECONDS))
            accepted.append(intake.hand_in(sample))
        _wait_for_ends(intake, began.isoformat(), len(accepted))
    return accepted[WARM_UP:idle], accepted[idle:]


def _wait_for_ends(intake: IntakeClient, since: str, number: int) -> None:
    """Wait until this number of requests is COMPLETED."""
    deadline = time.monotonic() + END_SECONDS
    while intake.counts(since)["COMPLETED"] < number:
        if time.monotonic() > deadline:
            raise LocalError(f"After {END_SECONDS:.0f} s a request has not ended.")
        time.sleep(LOOK_SECONDS)


def _after_a_resume(system: System, number: int, say: Say) -> float:
    """Seconds from a resume of both DAGs to the submit of a request that waited for it."""
    api = AirflowApi(system.settings, system.secrets)
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        wait_until_nobody_is_at_work(connection)
        api.set_paused(JOBS, True)
        ids = hand_in(system, f"resume-{number}", 1)
        time.sleep(PAUSED_SECONDS)
        began = time.time()
        api.set_paused(JOBS, False)
        wait_for_ends(system, ids, END_SECONDS)
        (submitted_at,) = connection.execute(SUBMITTED_AT, ids).fetchone() or (0.0,)
    say(f"  {submitted_at - began:.1f} s from a resume to the first submit")
    return float(submitted_at - began)


def _figures(idle: list[float], stream: list[float], resumes: list[float], generation: float) -> list[Figure]:
    def figure(what: str, value: float, most: float | None = None) -> Figure:
        return Figure(
            what, f"{value:.2f} s", f"{generation:.2f} s", f"{value / generation:.1f}" if generation else "",
            f"under {most} s" if most else "", value < most if most else None,
        )  # fmt: skip

    return [
        figure("accepted to event, p50", percentile(idle, 0.5), LARGEST_P50_SECONDS),
        figure("accepted to event, p95", percentile(idle, 0.95)),
        figure(f"accepted to event, worst of {len(idle)}", max(idle), LARGEST_SECONDS),
        figure("in a stream, p50", percentile(stream, 0.5)),
        figure("in a stream, p95", percentile(stream, 0.95)),
        Figure(
            "after a resume of both DAGs, first submit",
            f"{median(resumes):.1f} s",
            "",
            "",
            f"under {LARGEST_RESUME_SECONDS} s",
            median(resumes) < LARGEST_RESUME_SECONDS,
        ),
    ]
