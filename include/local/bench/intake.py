"""Intake: accepted requests a second, beside a bare endpoint with the same INSERTs, in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from statistics import median
from typing import Any

import httpx
import psycopg

from include.local.bench.figures import Figure, Section, paired_ratio, spread
from include.local.bench.load import PLACEHOLDER, Measured, Order, measure
from include.local.bench.neighbours import (
    BULK_REQUESTS,
    POLITE_CONNECTIONS,
    POLITE_PAUSE_SECONDS,
    beside_others,
    bulk_body,
    floods,
)
from include.local.bench.processes import cpu_seconds, part_pids
from include.local.bench.settings import BenchSettings
from include.local.demo.intake_client import PATH
from include.local.demo.sample import FILE
from include.local.environment import client_token, client_tokens
from include.local.order import Say
from include.local.part import Listen, LocalError, Part
from include.local.probes import http_answers
from include.local.system import System
from include.oms.base.queries import load

CONNECTIONS = (16, 64)
ROUNDS = 3  # for each number of connections, either side
ROUND_SECONDS = 2.0
WARM_UP_SECONDS = 2.0
LEAST_RATIO = 1.0
LARGEST_P99_RATIO = 1.3
LARGEST_CPU_RATIO = 1.0
BULK_CONNECTIONS, LEAST_BULK = 4, 8000  # documents stored a second
CLIENT, OTHER_CLIENT = "CIBT", "ARCADE"
REFUSED_CLIENT = "BENCHSYS"  # its quota is one request an hour
FIELDS = 40  # properties of the schema
DOCUMENT_NAME = "BENCHDOC"  # in force in this system only, so that its schema holds up no other part
IN_FORCE_SECONDS = 90.0  # the intake asks again after 30 s
IN_A_ROW = 20  # refusals that show the schema in all processes of the intake
SIDES = {"intake": "intake", "floor": "intake-floor"}
OURS = ("postgresql", "oms-migrations", "reference-data", "intake")

HOW = f"""The real intake, with gunicorn as configured, a PostgreSQL that waits for its disk, and the real Reference \
Data API, which has a JSON Schema of {FIELDS} properties for the content. Beside it: a bare Flask endpoint on the \
same gunicorn configuration and the same tables. It makes only the same INSERTs, row by row in one transaction. The \
load generator is a separate process, with one call in flight for each connection. {ROUNDS} rounds of \
{ROUND_SECONDS:g} s for each side, in turn. The ratio is the median of the rounds' own ratios. CPU is that \
of all processes of the side and of PostgreSQL. Then a polite client: {POLITE_CONNECTIONS} connections, \
{POLITE_PAUSE_SECONDS * 1000:.0f} ms between an answer and the next call. The figure is its tail beside another client \
that sends as fast as it is answered, compared with its tail alone. Processes that only compute, one for each core, \
show the machine's part in that."""


class IntakeSystem(System):
    """A system of the intake, the parts that it needs, and its floor; without jobs."""

    def _make_parts(self) -> list[Part]:
        assert isinstance(self.settings, BenchSettings)
        return [
            *(part for part in super()._make_parts() if part.name in OURS),
            _floor(self.settings, self.addresses.database_url),
        ]


def bench_intake(settings: BenchSettings, say: Say) -> Section:
    """Measure it. Raises LocalError if either side answers anything but 202."""
    with IntakeSystem(settings, say) as system:
        sides = {
            "intake": system.env["OMS_INTAKE_URL"] + PATH,
            "floor": f"http://127.0.0.1:{settings.bench_floor_port}{PATH}",
        }
        _put_schema(system, sides["intake"])
        tokens = {**client_tokens(system.settings), REFUSED_CLIENT: client_token(system.settings, REFUSED_CLIENT)}
        pids = {side: part_pids(system, ("postgresql", part)) for side, part in SIDES.items()}
        rounds = _Rounds(sides, tokens, pids)
        for name in sides:
            rounds.run(name, max(CONNECTIONS), WARM_UP_SECONDS)
        figures = [figure for n in CONNECTIONS for figure in _at(rounds, n, say)]
        figures.append(_bulk(rounds, say))
        kinds = floods(rounds.bodies, OTHER_CLIENT, REFUSED_CLIENT)
        return Section("Intake", HOW, [*figures, *beside_others(rounds.send, CLIENT, kinds, rounds.bodies, say)])


class _Rounds:
    """Runs rounds. Each uses its own correlation ids."""

    def __init__(self, sides: dict[str, str], tokens: Mapping[str, str], pids: Mapping[str, Sequence[int]]) -> None:
        self._sides, self._tokens, self._pids = sides, tokens, pids
        self.bodies = _bodies()
        self._numbers = count(int(time.time()) % 1_000_000 * 1000)

    def run(self, side: str, connections: int, seconds: float) -> tuple[Measured, float]:
        """Run one round of one side; with the CPU seconds of a thousand requests, PostgreSQL's included."""
        before = cpu_seconds(self._pids[side])
        measured = self.send(CLIENT, connections, seconds, self.bodies, side=side)
        if set(measured.statuses) != {"202"}:
            raise LocalError(f"The {side} did not answer 202 alone: {measured.statuses}")
        return measured, 1000 * (cpu_seconds(self._pids[side]) - before) / measured.statuses["202"]

    def send(
        self, client: str, connections: int, seconds: float, bodies: Sequence[str], path: str = "", *,
        pause_seconds: float = 0.0, side: str = "intake",
    ) -> Measured:  # fmt: skip
        """Run one round of one client. Raises LocalError if the load generator fails."""
        run = f"B{next(self._numbers)}"
        url, token = self._sides[side] + path, self._tokens[client]
        order = Order(url, token, run, connections, seconds, list(bodies), pause_seconds)
        try:
            return measure(order)
        except subprocess.SubprocessError as error:
            raise LocalError(f"The load generator failed: {getattr(error, 'stderr', None) or error}") from error


def _at(rounds: _Rounds, connections: int, say: Say) -> list[Figure]:
    """Run both sides in turn, with this number of connections."""
    ours, floor = list[tuple[Measured, float]](), list[tuple[Measured, float]]()
    for _ in range(ROUNDS):
        ours.append(rounds.run("intake", connections, ROUND_SECONDS))
        floor.append(rounds.run("floor", connections, ROUND_SECONDS))
        say(f"  {connections} connections: {ours[-1][0].per_second:.0f}/s, floor {floor[-1][0].per_second:.0f}/s")
    rates = [it.per_second for it, _ in ours], [it.per_second for it, _ in floor]
    tails = [it.p99_ms for it, _ in ours], [it.p99_ms for it, _ in floor]
    cpu = [it for _, it in ours], [it for _, it in floor]
    rate, tail, cost = paired_ratio(*rates), paired_ratio(*tails), paired_ratio(*cpu)
    each = spread([a / b for a, b in zip(*rates, strict=True)])
    return [
        Figure(
            f"requests/s at {connections} connections", f"{median(rates[0]):.0f}", f"{median(rates[1]):.0f}",
            f"{rate:.2f} (rounds: {each})", f"at least {LEAST_RATIO}", rate >= LEAST_RATIO,
        ),
        Figure(
            f"p99 at {connections} connections", f"{median(tails[0]):.0f} ms", f"{median(tails[1]):.0f} ms",
            f"{tail:.2f}", f"at most {LARGEST_P99_RATIO}", tail <= LARGEST_P99_RATIO,
        ),
        Figure(
            f"CPU a 1,000 requests at {connections} connections", f"{median(cpu[0]):.2f} s", f"{median(cpu[1]):.2f} s",
            f"{cost:.2f}", f"at most {LARGEST_CPU_RATIO}", cost <= LARGEST_CPU_RATIO,
        ),
    ]  # fmt: skip


def _bulk(rounds: _Rounds, say: Say) -> Figure:
    """Documents a second that two clients have stored by bulk calls. A process stores one call of each at a time."""
    bodies, stored = [bulk_body(rounds.bodies)], list[float]()
    for _ in range(ROUNDS):
        with ThreadPoolExecutor(2) as pool:
            order = (BULK_CONNECTIONS, ROUND_SECONDS, bodies, "/bulk")
            sides = [pool.submit(rounds.send, client, *order) for client in (CLIENT, OTHER_CLIENT)]
            calls = sum(side.result().statuses.get("200", 0) for side in sides)
        stored.append(calls * BULK_REQUESTS / ROUND_SECONDS)
        say(f"  bulk calls of {BULK_REQUESTS}: {stored[-1]:.0f} documents/s")
    rate = median(stored)
    return Figure(
        f"documents/s stored by bulk calls of {BULK_REQUESTS}", f"{rate:.0f}",
        aim=f"at least {LEAST_BULK:,}", is_met=rate >= LEAST_BULK,
    )  # fmt: skip


def _bodies() -> list[str]:
    """The demo's requests of the client CIBT, each to be sent under many correlation ids."""
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    return [_body(line["request"]) for line in lines if line["source_system"] == CLIENT]


def _body(request: dict[str, Any]) -> str:
    content = {**request["document_content"], "Fields": {name: value for name, (_, value) in _fields().items()}}
    changes = {"document_name": DOCUMENT_NAME, "document_content": content, "request_correlation_id": PLACEHOLDER}
    return json.dumps(request | changes)


def _fields() -> dict[str, tuple[dict[str, Any], Any]]:
    """Each property of the schema, and a value that fits it."""
    kinds: list[tuple[dict[str, Any], Any]] = [
        ({"type": "string", "minLength": 1, "maxLength": 100}, "Harbour & Sons Ltd"),
        ({"type": "number", "minimum": 0, "multipleOf": 0.01}, 1250.25),
        ({"type": "string", "format": "date"}, "2027-01-31"),
        ({"type": "string", "pattern": "^[A-Z]{2}[0-9]{4}$"}, "GB1234"),
        ({"enum": ["EUR", "GBP", "USD"]}, "GBP"),
    ]
    return {f"field_{nth}": kinds[nth % len(kinds)] for nth in range(FIELDS)}


def _put_schema(system: System, url: str) -> None:
    """Put the schema in force, and wait until all processes of the intake know it. Raises LocalError if they do not."""
    fields = _fields()
    properties = {name: schema for name, (schema, _) in fields.items()}
    rules = {"type": "object", "required": list(fields), "properties": properties, "additionalProperties": False}
    schema = {"type": "object", "required": ["Fields"], "properties": {"Fields": rules}}
    with psycopg.connect(system.addresses.database_url, autocommit=True) as connection:
        values = {"document_name": DOCUMENT_NAME, "schema": json.dumps(schema), "source_system": REFUSED_CLIENT}
        for name in ("insert_bench_document", "insert_bench_schema", "insert_bench_system", "insert_bench_quota"):
            connection.execute(load(__package__)[name], values)
    broken = json.loads(_bodies()[0])
    del broken["document_content"]["Fields"]
    deadline, refused = time.monotonic() + IN_FORCE_SECONDS, 0
    headers = {"Authorization": f"Bearer {system.env['OMS_TOKEN']}"}
    while refused < IN_A_ROW:
        if time.monotonic() > deadline:
            raise LocalError(f"After {IN_FORCE_SECONDS:.0f} s the intake does not refuse what breaks the schema.")
        answer = httpx.post(url, params={"validate_only": "true"}, json=broken, headers=headers)
        is_refused = "/document_content/Fields" in answer.text
        refused = refused + 1 if is_refused else 0
        time.sleep(0 if is_refused else 0.5)


def _floor(settings: BenchSettings, database_url: str) -> Part:
    address = f"127.0.0.1:{settings.bench_floor_port}"
    gunicorn = (sys.executable, "-m", "gunicorn", "-c", "oms_intake/gunicorn.conf.py", "--bind", address)
    return Part(
        name="intake-floor",
        command=(*gunicorn, "include.local.bench.floor:app"),
        needs=("oms-migrations",),
        env={"OMS_DATABASE_URL": database_url},
        listen=Listen(settings.bench_floor_port, "OMS_BENCH_FLOOR_PORT"),
        probe=lambda: http_answers(f"http://{address}/readyz"),
    )
