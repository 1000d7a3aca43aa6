"""Both sides compared: what the intake accepted, and what came out of Kafka."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from include.local.demo.events import Event
from include.local.demo.intake_client import Accepted
from include.local.settings import ROOT

SCHEMA = ROOT / "include" / "contracts" / "final-status-event.schema.json"


def differences(
    accepted: Sequence[Accepted], events: Sequence[Event], statuses: Mapping[int, str], *, check_expected: bool
) -> list[str]:
    """The differences of the two sides, a sentence each; empty if they agree."""
    return [
        *_counted(accepted, events),
        *(fault for event in events for fault in _faults(event)),
        *_statuses(accepted, events, statuses, check_expected),
    ]


def distinct(events: Iterable[Event]) -> list[Event]:
    """The first message of each event id: the contract lets one arrive twice."""
    by_id: dict[str, Event] = {}
    for event in events:
        by_id.setdefault(event.event["id"], event)
    return list(by_id.values())


def _counted(accepted: Sequence[Accepted], events: Sequence[Event]) -> list[str]:
    counts = Counter(event.request_id for event in distinct(events))
    return [
        f"Request {it.request_id} has {counts[it.request_id]} final events, not 1."
        for it in accepted
        if counts[it.request_id] != 1
    ]


def _faults(event: Event) -> list[str]:
    faults = [
        f"The event of request {event.request_id} is not as its schema says: {error.message}"
        for error in _validator().iter_errors(event.event)
    ]
    if event.key != event.event["subject"]:
        faults.append(f"The event of request {event.request_id} has the key {event.key}.")
    return faults


def _statuses(
    accepted: Sequence[Accepted], events: Sequence[Event], statuses: Mapping[int, str], check_expected: bool
) -> list[str]:
    told = {event.request_id: event.event["data"]["status"] for event in events}
    faults = []
    for it in accepted:
        here, there = statuses.get(it.request_id), told.get(it.request_id)
        if there and here != there:
            faults.append(f"Request {it.request_id} is {here} at the intake, and {there} by its event.")
        if check_expected and there and there != it.sample.expected:
            faults.append(f"Request {it.request_id} was to end {it.sample.expected}, and ended {there}.")
    return faults


@cache
def _validator() -> Any:
    return Draft202012Validator(json.loads(SCHEMA.read_text()), format_checker=FormatChecker())
