"""The demo from its start to its end."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from include.local.console import console, say, show_complaints
from include.local.demo.comparison import differences, distinct
from include.local.demo.events import Event, read_events
from include.local.demo.intake_client import Accepted, IntakeClient
from include.local.demo.progress import Progress
from include.local.demo.report import failures, latencies, p50_p95, table
from include.local.demo.sample import samples
from include.local.demo.thunderhead_client import generation_seconds, save_documents
from include.local.environment import client_tokens
from include.local.lock import Lock
from include.local.part import LocalError
from include.local.settings import LocalSettings
from include.local.supervisor import Supervisor
from include.local.system import System
from include.oms.base.schedule import shortest_interval_seconds

HAND_IN_SECONDS = 10.0
END_SECONDS = 120.0  # after the last request was handed in
EVENT_SECONDS = 30.0  # after the last request has ended
LOOK_SECONDS = 0.5
ENDS = ("COMPLETED", "FAILED", "STOPPED")


def run_demo(settings: LocalSettings) -> None:
    """Start a system of the demo's own, empty; drive the requests; compare, report; stop. Raises LocalError."""
    own = settings.model_copy(update={"var_dir": settings.var_dir / "demo"})
    with Lock(settings.var_dir):  # `make up` uses the same ports
        _clear(own)
        with System(own, say) as system:
            show_complaints(system)
            _drive(system, own.var_dir / "documents")
    say("✓ everything is stopped")


def _clear(settings: LocalSettings) -> None:
    """Remove what an earlier demo left, its processes included."""
    Supervisor(settings.var_dir, settings.log_dir).end()
    shutil.rmtree(settings.var_dir, ignore_errors=True)


def _drive(system: System, folder: Path) -> None:
    began = datetime.now(UTC)
    with IntakeClient(system.env["OMS_INTAKE_URL"], client_tokens(system.settings)) as intake:
        accepted = _follow(intake, began)
        wanted = {it.request_id for it in accepted}
        events = read_events(system.addresses.kafka, system.settings.kafka_topic, wanted, EVENT_SECONDS)
        statuses = intake.statuses(since=began.isoformat())
    _tell(system, accepted, events)
    simulated = "thunderhead_api" not in system.addresses.given
    found = differences(accepted, events, statuses, check_expected=simulated)
    if found:
        raise LocalError("\n".join(["What went in and what came out differ:", *found[:20]]))
    say(f"✓ {len(accepted)} requests in, {len(distinct(events))} final events out: one each, all as the schema says")
    say(f"✓ {save_documents(distinct(events), system.addresses, folder)} PDFs saved in {folder}")


def _follow(intake: IntakeClient, began: datetime) -> list[Accepted]:
    """Hand the requests in at a steady rate, and wait until each has ended."""
    due = samples(f"{began:%Y%m%d%H%M%S}")
    pause = HAND_IN_SECONDS / len(due)
    accepted: list[Accepted] = []
    start = looked = time.monotonic()
    with Progress(len(due)) as progress:
        while True:
            now = time.monotonic()
            if len(accepted) < len(due) and now >= start + len(accepted) * pause:
                accepted.append(intake.hand_in(due[len(accepted)]))
            if now >= looked + LOOK_SECONDS:
                looked, counts = now, intake.counts(since=began.isoformat())
                progress.show(counts)
                if sum(counts[end] for end in ENDS) == len(due):
                    return accepted
                if now > start + HAND_IN_SECONDS + END_SECONDS:
                    raise LocalError(f"Not all requests have ended after {END_SECONDS:.0f} s: {dict(counts)}")
            time.sleep(pause / 5)


def _tell(system: System, accepted: Sequence[Accepted], events: Sequence[Event]) -> None:
    """Print the table, the failures with their reasons, and whether it was fast enough."""
    if not events:
        return
    seconds = latencies(accepted, distinct(events))
    console.print(table(distinct(events), seconds))
    console.print(
        "Failed or tried again:",
        *(f"  {line}" for line in failures(distinct(events))),
        "",
        sep="\n",
    )
    settings = system.settings
    intervals = settings.processing_interval_seconds + settings.monitoring_interval_seconds
    if not settings.early_wake:
        schedules = (settings.processing_schedule, settings.monitoring_schedule)
        intervals = sum(map(shortest_interval_seconds, schedules))
    limit = intervals + generation_seconds(system.addresses)
    _, p95 = p50_p95(list(seconds.values()))
    mark = "✓" if p95 < limit else "!"
    say(f"{mark} p95 {p95:.1f} s; two intervals and the generation are {limit:.1f} s")
