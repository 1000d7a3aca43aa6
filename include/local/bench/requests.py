"""Requests for the bench: hand them in by bulk calls, and wait for their ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import cycle, islice
from typing import Any

import httpx
import psycopg

from include.local.demo.intake_client import PATH
from include.local.demo.sample import samples
from include.local.part import LocalError
from include.local.system import System
from include.oms.base.queries import query
from include.oms.words.model import Job

BULK = 500  # contract: most a call
CALLERS = 2
SMALL_CALL_SECONDS = 0.1
LOOK_SECONDS = 0.2
OPEN = """SELECT count(*) FROM (SELECT FROM document_requests
          WHERE request_id BETWEEN %s AND %s AND ended_at IS NULL LIMIT 1) open_ones"""  # cheap, because it runs often
AT_WORK = "SELECT count(*) FROM slices WHERE closed_at IS NULL AND lease_until > now()"
NOBODY_SECONDS = 120.0  # a worker keeps its slice open for a minute
ENDED_AT = """SELECT extract(epoch FROM ended_at)::float FROM document_requests
              WHERE request_id = ANY (%s) AND status = 'COMPLETED' ORDER BY ended_at"""


def hand_in(system: System, run: str, number: int) -> list[int]:
    """Hand in requests that will be COMPLETED, with correlation ids of this run. Returns their ids."""
    with _intake(system) as intake:
        requests = _requests(run, number)
        calls = [partial(_stored, intake, requests[start : start + BULK]) for start in range(0, number, BULK)]
        with ThreadPoolExecutor(CALLERS) as callers:
            ids = [it for stored in callers.map(lambda call: call(), calls) for it in stored]
    return _all_of(ids, number)


def hand_in_evenly(system: System, run: str, number: int, per_second: float) -> list[int]:
    """Hand in requests as `hand_in` does, at an even rate, by small calls one after the other."""
    began, ids, size = time.monotonic(), list[int](), round(per_second * SMALL_CALL_SECONDS)
    with _intake(system) as intake:
        requests = _requests(run, number)
        for nth, start in enumerate(range(0, number, size)):
            time.sleep(max(began + nth * SMALL_CALL_SECONDS - time.monotonic(), 0))
            ids += _stored(intake, requests[start : start + size])
    return _all_of(ids, number)


def _requests(run: str, number: int) -> list[dict[str, Any]]:
    lines = [it.request for it in samples("") if it.expected == "COMPLETED" and it.source_system == "CIBT"]
    stamp = f"{datetime.now(UTC):%H%M%S}-{run}"
    return [
        {**line, "request_correlation_id": f"{stamp}-{nth}"} for nth, line in enumerate(islice(cycle(lines), number))
    ]


@contextmanager
def _intake(system: System) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {system.env['OMS_TOKEN']}"}
    try:
        with httpx.Client(base_url=system.env["OMS_INTAKE_URL"], headers=headers, timeout=30) as intake:
            yield intake
    except httpx.HTTPError as error:
        raise LocalError(f"The intake does not take requests in bulk: {error}") from error


def _all_of(ids: list[int], number: int) -> list[int]:
    if len(ids) != number:
        raise LocalError(f"The intake stored {len(ids)} of {number} requests.")
    return ids


def wait_for_ends(system: System, ids: Sequence[int], patience_seconds: float) -> list[float]:
    """Wait until all have ended. Returns when each was COMPLETED, in seconds since the epoch, in order."""
    deadline = time.monotonic() + patience_seconds
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        while (row := connection.execute(OPEN, [min(ids), max(ids)]).fetchone()) and row[0]:
            if time.monotonic() > deadline:
                raise LocalError(f"Not all of {len(ids)} requests have ended after {patience_seconds:.0f} s.")
            time.sleep(LOOK_SECONDS)
        return [at for (at,) in connection.execute(ENDED_AT, [list(ids)])]


def wait_until_nobody_is_at_work(connection: psycopg.Connection) -> None:
    """Wait until the last worker has closed its slice. Raises LocalError if one does not."""
    deadline = time.monotonic() + NOBODY_SECONDS
    while (row := connection.execute(AT_WORK).fetchone()) and row[0]:
        if time.monotonic() > deadline:
            raise LocalError(f"After {NOBODY_SECONDS:.0f} s {row[0]} slices are still at work.")
        time.sleep(LOOK_SECONDS)


PAUSE = """UPDATE outside_systems SET paused_at = now(), paused_by = 'bench', paused_why = 'bench'
    WHERE system = 'THUNDERHEAD' AND document_type = '*'"""
RESUME = """UPDATE outside_systems SET paused_at = NULL, paused_by = NULL, paused_why = NULL, open_until = NULL
    WHERE system = 'THUNDERHEAD' AND document_type = '*'"""


def set_paused(system: System, *, paused: bool) -> None:
    """Pause or resume Thunderhead, as the console does; after a resume the jobs start at once."""
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        connection.execute(PAUSE if paused else RESUME)
        if not paused:
            for job in Job:
                connection.execute(query("wake"), {"job": job})


@dataclass(frozen=True)
class Calls:
    """Calls that Thunderhead's simulator has received so far: all, submits, and those answered 429."""

    calls: int
    submits: int
    limited: int

    def __sub__(self, before: Calls) -> Calls:
        return Calls(self.calls - before.calls, self.submits - before.submits, self.limited - before.limited)


def calls_so_far(system: System) -> Calls:
    """Raises LocalError if the simulator does not answer."""
    headers = {"Authorization": f"Bearer {system.addresses.thunderhead_token}"}
    try:
        answer = httpx.get(f"{system.addresses.thunderhead_url}/control/calls", headers=headers).raise_for_status()
    except httpx.HTTPError as error:
        raise LocalError(f"Thunderhead's simulator does not say what it was asked: {error}") from error
    return Calls(**answer.json())


def tell_the_simulator(system: System, control: dict[str, Any] | None) -> None:
    """Set the behaviour of the Thunderhead simulator; None restores its initial behaviour."""
    headers = {"Authorization": f"Bearer {system.addresses.thunderhead_token}"}
    method = "DELETE" if control is None else "PUT"
    try:
        url = f"{system.addresses.thunderhead_url}/control"
        httpx.request(method, url, json=control, headers=headers).raise_for_status()
    except httpx.HTTPError as error:
        raise LocalError(f"Thunderhead's simulator cannot be told: {error}") from error


def _stored(intake: httpx.Client, requests: list[dict[str, Any]]) -> list[int]:
    answer = intake.post(f"{PATH}/bulk", json=requests).raise_for_status().json()
    return [result["request_id"] for result in answer["results"] if result["status"] == httpx.codes.ACCEPTED]
