"""Intake: accepted requests a second, beside a bare endpoint with the same INSERTs, in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from statistics import median
from typing import Any

import httpx
import psycopg

from include.local.bench.figures import Figure, Section, paired_ratio, spread
from include.local.bench.load import PLACEHOLDER, Measured, Order, measure
from include.local.bench.settings import BenchSettings
from include.local.demo.intake_client import PATH
from include.local.demo.sample import FILE
from include.local.environment import client_tokens
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
FEW, FLOOD = 4, 64  # connections of the client that is measured, and of the one that floods
CLIENT, FLOODING_CLIENT = "CIBT", "ARCADE"
FLOOD_RISES_SECONDS = 0.5
LARGEST_FLOOD_RATIO = 1.5
FIELDS = 40  # properties of the schema
DOCUMENT_NAME = "BENCHDOC"  # in force in this system only, so that its schema holds up no other part
IN_FORCE_SECONDS = 90.0  # the intake asks again after 30 s
IN_A_ROW = 20  # refusals that show the schema in all processes of the intake
OURS = ("postgresql", "oms-migrations", "reference-data", "intake")

HOW = f"""The real intake, with gunicorn as configured, a PostgreSQL that waits for its disk, and the real Reference \
Data API, which has a JSON Schema of {FIELDS} properties for the content. Beside it: a bare Flask endpoint on the \
same gunicorn configuration and the same tables. It makes only the same INSERTs, row by row in one transaction. The \
load generator is a separate process, with one call in flight for each connection. {ROUNDS} rounds of \
{ROUND_SECONDS:g} s for each side, in turn. The ratio is the median of the rounds' own ratios. A flood: another client \
keeps {FLOOD} calls in flight. The figure is the tail of a client with {FEW} calls in flight, beside its tail alone."""


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
        rounds = _Rounds(sides, client_tokens(system.settings))
        for name in sides:
            rounds.run(name, max(CONNECTIONS), WARM_UP_SECONDS)
        figures = [figure for n in CONNECTIONS for figure in _at(rounds, n, say)]
        return Section("Intake", HOW, [*figures, _beside_a_flood(rounds, say)])


class _Rounds:
    """Runs rounds. Each uses its own correlation ids."""

    def __init__(self, sides: dict[str, str], tokens: Mapping[str, str]) -> None:
        self._sides, self._tokens = sides, tokens
        self._bodies = _bodies()
        self._numbers = count(int(time.time()) % 1_000_000 * 1000)

    def run(self, side: str, connections: int, seconds: float) -> Measured:
        """Run one round of one side."""
        measured = self._measured(side, CLIENT, connections, seconds)
        if set(measured.statuses) != {"202"}:
            raise LocalError(f"The {side} did not answer 202 alone: {measured.statuses}")
        return measured

    @contextmanager
    def flood(self, seconds: float) -> Iterator[None]:
        """Another client floods the intake while the block runs, and for ``seconds`` in all. It may be refused."""
        with ThreadPoolExecutor(1) as pool:
            flood = pool.submit(self._measured, "intake", FLOODING_CLIENT, FLOOD, seconds)
            time.sleep(FLOOD_RISES_SECONDS)
            yield
            flood.result()

    def _measured(self, side: str, client: str, connections: int, seconds: float) -> Measured:
        run = f"B{next(self._numbers)}"
        order = Order(self._sides[side], self._tokens[client], run, connections, seconds, self._bodies)
        try:
            return measure(order)
        except subprocess.SubprocessError as error:
            raise LocalError(f"The load generator failed: {getattr(error, 'stderr', None) or error}") from error


def _at(rounds: _Rounds, connections: int, say: Say) -> list[Figure]:
    """Run both sides in turn, with this number of connections."""
    ours, floor = list[Measured](), list[Measured]()
    for _ in range(ROUNDS):
        ours.append(rounds.run("intake", connections, ROUND_SECONDS))
        floor.append(rounds.run("floor", connections, ROUND_SECONDS))
        say(f"  {connections} connections: {ours[-1].per_second:.0f}/s, floor {floor[-1].per_second:.0f}/s")
    rates = [it.per_second for it in ours], [it.per_second for it in floor]
    tails = [it.p99_ms for it in ours], [it.p99_ms for it in floor]
    rate, tail = paired_ratio(*rates), paired_ratio(*tails)
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
    ]  # fmt: skip


def _beside_a_flood(rounds: _Rounds, say: Say) -> Figure:
    """Measure one client alone and beside another one's flood, in turn."""
    alone, flooded = list[Measured](), list[Measured]()
    for _ in range(ROUNDS):
        alone.append(rounds.run("intake", FEW, ROUND_SECONDS))
        with rounds.flood(ROUND_SECONDS + 2 * FLOOD_RISES_SECONDS):
            flooded.append(rounds.run("intake", FEW, ROUND_SECONDS))
        say(f"  p99 of one client: {alone[-1].p99_ms:.0f} ms, beside a flood {flooded[-1].p99_ms:.0f} ms")
    tails = [it.p99_ms for it in flooded], [it.p99_ms for it in alone]
    tail = paired_ratio(*tails)
    return Figure(
        "p99 beside another client's flood", f"{median(tails[0]):.0f} ms", f"{median(tails[1]):.0f} ms",
        f"{tail:.2f}", f"at most {LARGEST_FLOOD_RATIO}", tail <= LARGEST_FLOOD_RATIO,
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
        values = {"document_name": DOCUMENT_NAME, "schema": json.dumps(schema)}
        for name in ("insert_bench_document", "insert_bench_schema"):
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
