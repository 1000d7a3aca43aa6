"""Accept requests. Each is stored once, even if several calls send it at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg.rows import DictRow

from include.oms.base.queries import query
from include.oms.intake.bulkheads import COSTLY_BYTES
from include.oms.intake.checking import KnownValues, NewRequest, examine
from include.oms.intake.database import Database
from include.oms.intake.finding import Shown, show, utc_text
from include.oms.intake.json_text import read_json
from include.oms.intake.quotas import Quotas
from include.oms.intake.refusals import (
    CorrelationIdUsed,
    DatabaseOutOfReach,
    ReferenceDataOutOfReach,
    RunNotOpen,
    UnknownSourceSystem,
)
from include.oms.intake.together import Together
from include.oms.words.model import Stage, Status
from include.oms.words.refusals import Refusal


@dataclass(frozen=True)
class Caller:
    """The client of a call."""

    source_system: str
    subject: str  # the token's sub
    origin_user: str | None = None  # X-Origin-User
    traceparent: str | None = None

    @property
    def actor(self) -> str:
        """The actor in the timeline."""
        return f"client:{self.subject}"


@dataclass(frozen=True)
class Taken:
    """An accepted request as its client sees it. ``is_new``: this call stored it."""

    request: Shown
    is_new: bool


Acceptance: TypeAlias = Taken | CorrelationIdUsed | RunNotOpen
Sent: TypeAlias = tuple[Caller, NewRequest]
Store: TypeAlias = Together[Sent, DictRow | None]
MOST_TOGETHER = 50  # calls whose requests one statement stores; it then takes some 4 ms
STATEMENTS_AT_ONCE = 2  # in one process: a slow one does not hold up all calls


@dataclass(frozen=True)
class _Stored:
    content_hash: bytes
    request: Shown
    is_new: bool


def check_source_system(known: KnownValues, caller: Caller) -> None:
    """Raises UnknownSourceSystem if the caller's is not in force, ReferenceDataOutOfReach if that is unknown."""
    if not known.knows("SOURCE_SYSTEM", caller.source_system):
        raise UnknownSourceSystem(f"{caller.source_system} is not in force in the reference type SOURCE_SYSTEM")


def check_call(
    database: Database,
    caller: Caller,
    known: KnownValues,
    quotas: Quotas | None,
    body: bytes,
    now: datetime,
) -> NewRequest | Taken:
    """The request of one call, ready to be stored; what is stored, if it is a repeat of a refused one.

    A repeated request gets the stored one, even if the reference data would refuse it today or is out of reach.
    ``quotas`` is None for a call that only asks. Raises any Refusal.
    """
    barred = barrier(known, caller)
    try:
        request, fault = examine(body, read_json(body), known, now)
    except Refusal as unreadable:
        raise barred or unreadable from None
    over = quotas.refusal(caller.source_system, [request]) if quotas and request and not (barred or fault) else None
    if refusal := barred or fault or over:
        replay = replays(database, caller, [request] if request else [])
        if request and request.correlation_id in replay:
            return replay[request.correlation_id]
        raise refusal
    assert request  # what is not refused was read
    return request


def barrier(known: KnownValues, caller: Caller) -> UnknownSourceSystem | ReferenceDataOutOfReach | None:
    """The reason why the caller may not store anything now; None if it may."""
    try:
        check_source_system(known, caller)
    except (UnknownSourceSystem, ReferenceDataOutOfReach) as barred:
        return barred
    return None


def accept(database: Database, store: Store, quotas: Quotas, caller: Caller, new: NewRequest) -> Taken:
    """Store one request, or find it stored. Raises CorrelationIdUsed, RunNotOpen, DatabaseOutOfReach."""
    taken = _accept(database, store, caller, new)
    quotas.count(caller.source_system, [new] if taken.is_new else [])
    return taken


def _accept(database: Database, store: Store, caller: Caller, new: NewRequest) -> Taken:
    if new.run_id is not None or memoryview(new.sent.document_content).nbytes > COSTLY_BYTES:
        return _or_raise(accept_all(database, caller, [new])[0])
    if row := store.do((caller, new)):
        return Taken(_new(new, caller, row).request, is_new=True)
    return _or_raise(_compare(new, _find(database, caller, [new.correlation_id]).get(new.correlation_id)))


def store_in(database: Database) -> Store:
    """Stores requests of several calls in one statement. The result is None where the correlation id is taken."""

    def work(sent: Sequence[Sent]) -> list[DictRow | None]:
        rows = database.rows("accept_requests", requests=_rows(sent))
        stored = {(row["source_system"], row["request_correlation_id"]): row for row in rows}
        return [stored.get(_key(one)) for one in sent]

    return Together(work, _key, most=MOST_TOGETHER, at_once=STATEMENTS_AT_ONCE, of_all=DatabaseOutOfReach)


def _key(sent: Sent) -> tuple[str, str]:
    caller, request = sent
    return caller.source_system, request.correlation_id


def accept_all(database: Database, caller: Caller, requests: Sequence[NewRequest]) -> list[Acceptance]:
    """Accept many requests as single calls one after the other would, but in one statement: all or nothing."""
    first: dict[str, NewRequest] = {}
    for request in requests:
        first.setdefault(request.correlation_id, request)
    stored = _store(database, caller, list(first.values()))
    stored |= _find(database, caller, [name for name in first if name not in stored])
    return [
        Taken(found.request, is_new=True)
        if (found := stored.get(request.correlation_id)) and found.is_new and request is first[request.correlation_id]
        else _compare(request, found)
        for request in requests
    ]


def would_accept(database: Database, caller: Caller, new: NewRequest) -> Taken | None:
    """The answer that ``accept`` would give, without storing; None if it would store.

    Raises CorrelationIdUsed and RunNotOpen.
    """
    stored = _find(database, caller, [new.correlation_id]).get(new.correlation_id)
    if not stored and new.run_id is not None and not _is_open(database, caller, new.run_id):
        raise _not_open(new)
    return _or_raise(_compare(new, stored)) if stored else None


def replays(database: Database, caller: Caller, requests: Sequence[NewRequest]) -> dict[str, Taken]:
    """The stored ones of these requests that have the same content, by correlation id."""
    stored = _find(database, caller, [request.correlation_id for request in requests])
    return {
        request.correlation_id: Taken(found.request, is_new=False)
        for request in requests
        if (found := stored.get(request.correlation_id)) and found.content_hash == request.content_hash
    }


def _or_raise(outcome: Acceptance) -> Taken:
    if isinstance(outcome, CorrelationIdUsed | RunNotOpen):
        raise outcome
    return outcome


def _compare(request: NewRequest, stored: _Stored | None) -> Acceptance:
    """What is neither stored nor found was refused by its run."""
    if stored is None:
        return _not_open(request)
    if request.content_hash == stored.content_hash:
        return Taken(stored.request, is_new=False)
    return CorrelationIdUsed("a request with this correlation id and another content is stored", stored.request)


def _is_open(database: Database, caller: Caller, run_id: int) -> bool:
    return bool(database.rows("lock_runs", run_ids=[run_id], source_system=caller.source_system))


def _not_open(request: NewRequest) -> RunNotOpen:
    return RunNotOpen(f"this source system has no open run {request.run_id}")


def _store(database: Database, caller: Caller, requests: Sequence[NewRequest]) -> dict[str, _Stored]:
    """Store the requests whose correlation id is free and whose run is open; return them by correlation id."""
    if not requests:
        return {}
    run_ids = sorted({request.run_id for request in requests if request.run_id is not None})
    if run_ids:
        rows = database.transaction(lambda connection: _store_in_runs(connection, caller, requests, run_ids))
    else:
        rows = database.rows("accept_requests", requests=_rows([(caller, request) for request in requests]))
    by_name = {request.correlation_id: request for request in requests}
    return {row["request_correlation_id"]: _new(by_name[row["request_correlation_id"]], caller, row) for row in rows}


def _rows(sent: Sequence[Sent]) -> str:
    """The JSON that ``accept_requests`` reads."""
    return msgspec.json.encode([_row(caller, request) for caller, request in sent]).decode()


def _store_in_runs(
    connection: psycopg.Connection[DictRow], caller: Caller, requests: Sequence[NewRequest], run_ids: Sequence[int]
) -> list[DictRow]:
    """Store requests while their runs stay open. Of a held run, the first ones are its proofs."""
    runs = {"run_ids": run_ids, "source_system": caller.source_system}
    locked = connection.execute(query("lock_runs"), runs).fetchall()
    is_open = {row["run_id"] for row in locked}
    holds = []
    if take_proofs := [row["run_id"] for row in locked if row["takes_proofs"]]:
        found = connection.execute(query("lock_proofs"), {"run_ids": take_proofs}).fetchall()
        holds = [row["hold_id"] for row in found]
    fine = [request for request in requests if request.run_id is None or request.run_id in is_open]
    sent = {"requests": _rows([(caller, request) for request in fine])}
    rows = connection.execute(query("accept_requests"), sent).fetchall()
    if holds:
        connection.execute(query("end_proofs"), {"hold_ids": holds})
    return rows


def _row(caller: Caller, request: NewRequest) -> dict[str, Any]:
    """A request as ``accept_requests`` reads it."""
    sent = request.sent
    return {
        "source_system": caller.source_system,
        "client_subject": caller.subject,
        "origin_user": caller.origin_user,
        "traceparent": caller.traceparent,
        "actor": caller.actor,
        "request_correlation_id": sent.request_correlation_id,
        "content_hash": f"\\x{request.content_hash.hex()}",  # PostgreSQL's text of a bytea
        "document_type": sent.document_type,
        "document_name": sent.document_name,
        "document_language": sent.document_language,
        "source_environment": sent.source_environment,
        "priority": sent.priority,
        "not_before": request.not_before,
        "run_id": request.run_id,
        "content": sent.document_content,  # the very text, digit by digit
        "metadata": sent.document_metadata,
    }


def _new(request: NewRequest, caller: Caller, row: Shown) -> _Stored:
    """A request that was just stored, as ``show_requests`` would return it. It saves a query."""
    sent = request.sent
    shown = {
        "request_id": row["request_id"],
        "request_correlation_id": sent.request_correlation_id,
        "source_system": caller.source_system,
        "source_environment": sent.source_environment,
        "document_type": sent.document_type,
        "document_name": sent.document_name,
        "document_language": sent.document_language,
        "document_metadata": request.metadata,
        "priority": sent.priority,
        "run_id": request.run_id,
        "not_before": request.not_before and utc_text(request.not_before),
        "status": Status.QUEUED,
        "stage": Stage.ENRICHMENT,
        "attempts": 0,
        "revision": 0,
        "created_at": row["created_at"],
        "ended_at": None,
        "batches": [],
        "errors": [],
    }
    return _Stored(request.content_hash, shown, is_new=True)


def _find(database: Database, caller: Caller, correlation_ids: Sequence[str]) -> dict[str, _Stored]:
    """The stored requests with these correlation ids, by correlation id."""
    if not correlation_ids:
        return {}
    found = database.rows("stored_requests", source_system=caller.source_system, correlation_ids=list(correlation_ids))
    shown = show(database, caller.source_system, [row["request_id"] for row in found])
    return {
        row["request_correlation_id"]: _Stored(row["content_hash"], shown[row["request_id"]], is_new=False)
        for row in found
    }
