"""The functions of the domain that the history bench measures, each in a transaction that is rolled back."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, TypeAlias

import msgspec
from psycopg import AsyncConnection, Connection
from psycopg.rows import DictRow, dict_row

from include.local.bench.history_fill import LIVE
from include.local.part import nothing
from include.oms.base import database
from include.oms.base.queries import load, query
from include.oms.base.settings import Settings, settings
from include.oms.ending.final_status import End, bring_to_end
from include.oms.intake.accepting import Caller, accept_all
from include.oms.intake.checking import NewRequest
from include.oms.intake.database import Database
from include.oms.intake.finding import Search, find
from include.oms.intake.shape import SentRequest
from include.oms.operators.selection import LARGEST_ID, Order, Place, Selection, select_requests
from include.oms.slices.claim import SliceRef, claim_slices
from include.oms.slices.early_wake import work_due_in
from include.oms.slices.hold import open_slice
from include.oms.slices.lease import Lease
from include.oms.upkeep.window import Window
from include.oms.words.model import RED_ENDS, Job, Stage, Status

_SQL = load(__package__)
_numbers = count(1)
CALLER = Caller("CIBT", "a client")
ENDED_TOGETHER = 100  # contract: most a look-up at Thunderhead
QUOTAS = ("most_open_requests", "most_requests_an_hour", "most_bytes_an_hour")
MONTHS_AGO = datetime.now(UTC) - timedelta(days=60)
YESTERDAY = Window.of_day(datetime.now(UTC).date() - timedelta(days=1))


class OneConnection(Database):
    """The intake's database on a connection that the bench owns, so that it can roll back what is stored."""

    def __init__(self, connection: Connection[DictRow]) -> None:
        self._connection = connection

    def rows(self, name: str, /, *, prepare: bool | None = None, **values: Any) -> list[DictRow]:
        """Run the statement as the intake does."""
        return self._connection.execute(query(name), values, prepare=prepare).fetchall()


@dataclass
class Connections:
    """Two connections to one database: one as jobs and console use it, one as intake and outbox use it."""

    jobs: AsyncConnection[DictRow]
    intake: Connection[DictRow]
    lease: Lease | None = None  # of the slice that was opened last

    @classmethod
    async def open(cls, url: str) -> Connections:
        """Open both connections."""
        jobs = await database.connect(url, Settings(), application_name="bench")
        jobs.prepare_threshold = None  # a task has its own connection, and repeats no statement often enough
        return cls(jobs, Connection.connect(url, autocommit=True, row_factory=dict_row))

    async def close(self) -> None:
        """Close both connections."""
        await self.jobs.close()
        self.intake.close()


Work: TypeAlias = Callable[[Connections], Awaitable[Any]]


@dataclass(frozen=True)
class Probe:
    """One measured function; ``before`` runs first, unmeasured, in the same transaction."""

    what: str
    work: Work
    before: Work | None = None

    async def seconds(self, connections: Connections, begin: Callable[[], None] = nothing) -> float:
        """Seconds of one call; it is rolled back. ``begin`` is called when the clock starts."""
        async with connections.jobs.transaction(force_rollback=True):
            with connections.intake.transaction(force_rollback=True):
                if self.before:
                    await self.before(connections)
                begin()
                began = time.perf_counter()
                await self.work(connections)
                return time.perf_counter() - began


async def _claim(connections: Connections, job: Job) -> SliceRef:
    claim = await claim_slices(connections.jobs, job, f"bench {next(_numbers)}", settings())
    assert claim.slices, f"{job} finds its work"
    return claim.slices[0]


def _slice(job: Job, held: str, renewal: str) -> Probe:
    """Read a slice as its worker does, and renew the lease."""

    async def before(connections: Connections) -> None:
        claimed = await _claim(connections, job)
        opened = await open_slice(connections.jobs, claimed["slice_id"], generation=0, map_index=0)
        connections.lease = opened.lease

    async def work(connections: Connections) -> None:
        assert connections.lease
        lease = {"slice_id": connections.lease.slice_id, "lease_token": connections.lease.token}
        assert await database.rows(connections.jobs, held, **lease)
        assert await database.rows(connections.jobs, renewal, lease_seconds=60, **lease)

    return Probe(f"slice of {job}, read and renewed", work, before)


async def _end(connections: Connections) -> None:
    found = await (await connections.jobs.execute(_SQL["in_flight"], {"n": ENDED_TOGETHER})).fetchall()
    ends = [End(row["request_id"], Status.COMPLETED, Stage.GENERATION) for row in found]
    told = await bring_to_end(
        connections.jobs, ends, from_status=Status.PROCESSING, lease_token=None, slice_id=1, actor=Job.MONITORING
    )
    assert len(told) == ENDED_TOGETHER


async def _take_events(connections: Connections) -> None:
    values = {"limit": 1000, "on_probation": 10, "most_bytes": 8_388_608, "lease_seconds": 60, "not_topics": []}
    found = connections.intake.execute(query("claim_waiting_events"), values).fetchall()
    assert len(found) == LIVE["live_outbox"]


async def _accept(connections: Connections, number: int) -> None:
    requests = [_new(f"NEW-{next(_numbers)}") for _ in range(number)]
    accept_all(OneConnection(connections.intake), CALLER, requests)


async def _find(connections: Connections) -> None:
    found, _ = find(OneConnection(connections.intake), "ARCADE", Search(document_type="INVOICE"))
    assert len(found) == Search().limit


def _due(job: Job) -> Work:
    return lambda connections: work_due_in(connections.jobs, job, settings().max_slices)


def _select(number: int, order: Order = Order.NEWEST, **fields: Any) -> Work:
    selection = Selection(**fields)

    async def work(connections: Connections) -> None:
        found = await select_requests(connections.jobs, selection, limit=50, place=Place(order))
        assert len(found) == number, f"{len(found)} for {fields}"

    return work


def _read(name: str, expected: int, /, **values: Any) -> Work:
    """Read by a statement of the console, and check the number of rows."""

    async def work(connections: Connections) -> None:
        found = await database.rows(connections.jobs, name, **values)
        assert len(found) == expected, f"{len(found)} of {name}"

    return work


def _trail(number: int, **asked: Any) -> Work:
    """Read the audit trail as its page does: planned with the values."""
    names = ("actor", "action", "request_id", "since", "until")
    values = {"before_id": LARGEST_ID, "limit": 50} | dict.fromkeys(names) | asked

    async def work(connections: Connections) -> None:
        found = await (await connections.jobs.execute(query("operator_actions"), values, prepare=False)).fetchall()
        assert len(found) == number, f"{len(found)} for {asked}"

    return work


async def _tab(connections: Connections) -> None:
    """The tab of a DAG run that ended long ago: its slice, the slice's requests, and what a clear would do."""
    run = {"job": Job.MONITORING, "dag_run_id": "history 2", "map_index": None}
    slices = [row["slice_id"] for row in await database.rows(connections.jobs, "slices_of_task", **run)]
    (found,) = await database.rows(connections.jobs, "requests_of_slices", slice_ids=slices, limit=500)
    assert len(found["requests"]) == 500, len(found["requests"])
    await database.rows(connections.jobs, "what_clearing_does", slice_ids=slices)


async def _hold(connections: Connections) -> None:
    values = {"source_system": None, "document_type": None, "document_name": None, "until": None}
    conditions = '{"metadata_key": "CUSTOMER_ID", "metadata_value": "7"}'
    await database.rows(
        connections.jobs, "hold_matching", conditions=conditions, reason="bench", actor="bench", **values
    )


def _new(correlation_id: str) -> NewRequest:
    sent = {
        "document_type": "POLICY", "document_name": "POSHOOFF", "document_language": "EN", "source_environment": "PROD",
        "request_correlation_id": correlation_id, "document_content": {"a": 1},
        "document_metadata": [{"key": "POLICY_ID", "value": correlation_id}, {"key": "CUSTOMER_ID", "value": "7"}],
    }  # fmt: skip
    return NewRequest(msgspec.json.decode(msgspec.json.encode(sent), type=SentRequest), None, correlation_id.encode())


PROBES = (
    # Probes that only read come first: writes leave dead rows, and autovacuum removes these sooner in a small database.
    Probe("watcher's look, document_processing", _due(Job.PROCESSING)),
    Probe("watcher's look, document_monitoring", _due(Job.MONITORING)),
    Probe("intake: a client's search", _find),
    Probe("search: the newest", _select(50)),
    Probe("search: red ones", _select(50, statuses=RED_ENDS)),
    Probe("search: by correlation id", _select(1, correlation_ids=("H-5000",))),
    Probe("search: by document's name", _select(50, document_name="IVCLFCAP")),
    Probe("search: by document's name or type", _select(50, document="POLICY")),
    Probe("search: by metadata", _select(1, metadata=(("POLICY_ID", "P5000"),))),
    Probe("search: by metadata that many have", _select(50, metadata=(("FOOTER_ID", "2"),))),
    Probe("search: by category of the last error", _select(50, category="PROCESSING_ERROR")),
    Probe("search: by Thunderhead's id", _select(1, batch_id=50_001)),
    Probe("search: oldest first", _select(50, Order.OLDEST)),
    Probe("search: last ended first", _select(50, Order.ENDED)),
    Probe("search: of a run", _select(14, run_id=7)),
    Probe("search: what a text is", _read("what_is_it", 1, text="H-5000", number=None)),
    Probe("search: what begins with digits", _read("what_begins_with", 20, text="50", digits=50, limit=20)),
    Probe("search: what begins with a text", _read("what_begins_with", 20, text="H-50", digits=None, limit=20)),
    Probe("dashboard: requests by state", _read("stock", 9)),
    Probe("dashboard: red requests by error", _read("red_by_category", 1)),
    Probe("failures in groups", _read("failures", 1, with_text=True)),
    Probe("dashboard: quotas", _read("quota_usage", 2, **dict.fromkeys(QUOTAS, 1_000_000))),
    Probe("dashboard: outbox", _read("outbox_by_topic", 1)),
    Probe("retrying, in groups", _read("retrying_by_category", 0)),
    Probe("a request's page", _read("request_page", 1, request_id=5000)),
    Probe("a list of 50", _read("list_requests", 50, request_ids=list(range(5001, 5051)))),
    Probe("the tab of a DAG run", _tab),
    Probe("page of bulk operations", _read("bulk_operations", 50, before=LARGEST_ID, operation_id=None, limit=50)),
    Probe("answers of a bulk operation", _read("answers_of_operation", 20, operation_id=10, after="", limit=50)),
    Probe("answers of a bulk operation, counted", _read("counted_answers", 1, operation_id=10)),
    Probe("page of reconciliations", _read("reconciliations", 90, limit=100)),
    Probe("a day's reconciliation", _read("reconciliation_of", 1, **YESTERDAY.values())),
    Probe("audit trail: the newest", _trail(50)),
    Probe("audit trail: of a person", _trail(50, actor="airflow:ada")),
    Probe("audit trail: of a kind", _trail(50, action="retrigger")),
    Probe("audit trail: of a request", _trail(1, request_id=5000)),
    Probe("audit trail: until two months ago", _trail(50, until=MONTHS_AGO)),
    Probe("page of runs", _read("runs", 50, before=LARGEST_ID, open_only=False, limit=50)),
    Probe("holds, of 500 queued by metadata", _read("holds", 1), _hold),
    Probe("claim of document_processing, 500 due", lambda it: _claim(it, Job.PROCESSING)),
    Probe("claim of document_processing, 500 due, under a hold", lambda it: _claim(it, Job.PROCESSING), _hold),
    Probe("claim of document_monitoring, 500 due", lambda it: _claim(it, Job.MONITORING)),
    _slice(Job.PROCESSING, "held_requests", "renew_request_leases"),
    _slice(Job.MONITORING, "held_batches", "renew_batch_leases"),
    Probe(f"end of {ENDED_TOGETHER} requests", _end),
    Probe(f"outbox, {LIVE['live_outbox']} waiting", _take_events),
    Probe("intake: one request stored", lambda it: _accept(it, 1)),
    Probe("intake: 100 requests stored in one call", lambda it: _accept(it, 100)),
)
