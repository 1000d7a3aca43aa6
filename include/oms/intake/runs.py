"""Runs: requests that belong together, with a control total, a deadline and, if its client wants it, a hold.

A run closes when as many requests have joined it as its client expects. It completes when all of them have ended.
Requests are counted by an index when somebody asks; none of them updates the run's row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec
import psycopg
from psycopg.rows import DictRow

from include.oms.base.queries import query
from include.oms.ending.runs import complete_run
from include.oms.intake.accepting import Caller, check_source_system
from include.oms.intake.checking import LATEST_START, KnownValues, is_storable
from include.oms.intake.database import Database
from include.oms.intake.finding import LARGEST_ID
from include.oms.intake.json_text import read_json, text_faults
from include.oms.intake.refusals import (
    Fault,
    Invalid,
    NotFound,
    OwnRun,
    RunDoesNotAddUp,
    RunNameUsed,
    StatementTimedOut,
    TooWide,
)
from include.oms.intake.shape import plain_faults
from include.oms.words.names import name_fault

DEADLINE_SECONDS = 24 * 3600.0  # after its opening, where the client names no deadline

Run: TypeAlias = Mapping[str, Any]
"""A run as its client sees it; its members are those of the query ``show_runs``."""


class NewRun(msgspec.Struct, frozen=True):
    """A checked run, ready to be stored."""

    name: str
    expected: int
    hold: bool = False
    proofs: int = 0
    deadline: datetime | None = None

    @property
    def content_hash(self) -> bytes:
        """SHA-256 of all that the client sent."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).digest()


def open_run(database: Database, caller: Caller, known: KnownValues, body: bytes, now: datetime) -> tuple[Run, bool]:
    """Open a run, or find it open; the run, and whether this call opened it.

    Raises RunNameUsed where the source system has a run of this name with other values, and any other Refusal.
    """
    check_source_system(known, caller)
    new = _checked(body, now)
    run_id = database.transaction(lambda connection: _open(connection, caller, new))
    if run_id is not None:
        return get_run(database, caller.source_system, run_id), True
    (stored,) = database.rows("run_of_name", source_system=caller.source_system, name=new.name)
    run = get_run(database, caller.source_system, stored["run_id"])
    if bytes(stored["content_hash"]) != new.content_hash:
        raise RunNameUsed("a run with this name and other values is stored", run)
    return run, False


def _open(connection: psycopg.Connection[DictRow], caller: Caller, new: NewRun) -> int | None:
    values = {
        "source_system": caller.source_system,
        "actor": caller.actor,
        "content_hash": new.content_hash,
        "default_seconds": DEADLINE_SECONDS,
        **msgspec.structs.asdict(new),
    }
    opened = connection.execute(query("open_run"), values).fetchone()
    if opened and new.hold:
        connection.execute(query("hold_run"), values | opened)
    return opened["run_id"] if opened else None


def _checked(body: bytes, now: datetime) -> NewRun:
    """The run that a body describes. Raises Malformed and Invalid."""
    document = read_json(body)
    faults = [*plain_faults("NewRun", document), *text_faults(body, document)]
    if faults:
        raise Invalid(faults)
    if fault := name_fault(document["name"]):
        faults.append(Fault("/name", fault))
    new = msgspec.convert(_plain(document), NewRun)
    if new.deadline and not is_storable(new.deadline, now + LATEST_START):
        faults.append(Fault("/deadline", "must lie 1 year ahead at most"))
    if faults:
        raise Invalid(faults)
    return msgspec.structs.replace(new, deadline=new.deadline and new.deadline.astimezone(UTC))


def _plain(document: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers as numbers; the schema has checked that they are whole and small."""
    return {
        name: int(msgspec.json.decode(value)) if isinstance(value, msgspec.Raw) else value
        for name, value in document.items()
    }


def get_run(database: Database, source_system: str, run_id: int) -> Run:
    """One run, with its requests counted. Raises NotFound."""
    found = _shown(database, source_system, run_id=run_id) if run_id <= LARGEST_ID else []
    if not found:
        raise NotFound("there is no such run")
    return found[0]


def find_runs(
    database: Database, source_system: str, *, name: str | None = None, limit: int = 50, before: int = LARGEST_ID
) -> tuple[Sequence[Run], str | None]:
    """A page of runs, newest first, and the cursor of the next page, None on the last. Raises TooWide."""
    try:
        found = _shown(database, source_system, name=name, limit=limit + 1, before=before)
    except StatementTimedOut as error:
        raise TooWide("counting their requests takes too long", [Fault("?limit", "fewer runs narrow it")]) from error
    page = found[:limit]
    return page, (f"c{page[-1]['run_id']:x}" if len(found) > limit else None)


def _shown(
    database: Database, source_system: str, *, run_id: int | None = None, name: str | None = None, limit: int = 1,
    before: int = LARGEST_ID,
) -> list[Run]:  # fmt: skip
    rows = database.rows(
        "show_runs", prepare=False, source_system=source_system, run_id=run_id, name=name, limit=limit, before=before
    )
    return [row["run"] for row in rows]


def close_run(database: Database, caller: Caller, run_id: int, body: bytes, *, topic: str) -> Run:
    """Close a run whose control total is right; the run as it then is. Twice does no harm.

    ``body`` is empty, or corrects ``expected``; the audit trail keeps a correction. ``topic`` is that of its event.
    Raises NotFound, and RunDoesNotAddUp where more or fewer requests have joined it: it then stays open.
    """
    expected = _corrected(body)
    if run_id > LARGEST_ID:
        raise NotFound("there is no such run")
    received = database.transaction(lambda connection: _close(connection, caller, run_id, expected, topic))
    run = get_run(database, caller.source_system, run_id)
    if received is not None:
        raise RunDoesNotAddUp(_difference(expected or run["expected"], received), run)
    return run


def _corrected(body: bytes) -> int | None:
    """The control total that the body of a close sets; None where it sets none."""
    if not body.strip():
        return None
    document = read_json(body)
    if faults := plain_faults("RunClose", document):
        raise Invalid(faults)
    return int(_plain(document)["expected"]) if "expected" in document else None


def _close(
    connection: psycopg.Connection[DictRow], caller: Caller, run_id: int, expected: int | None, topic: str
) -> int | None:
    """Close it; the number of requests that it has received where that is the wrong number."""
    mine = {"run_id": run_id, "source_system": caller.source_system}
    run = connection.execute(query("lock_run"), mine).fetchone()
    if not run:
        raise NotFound("there is no such run")
    if run["is_closed"]:
        return None
    wanted = expected or run["expected"]
    (counted,) = connection.execute(query("received_by_run"), mine).fetchall()
    if counted["received"] != wanted:
        return int(counted["received"])
    connection.execute(query("close_run"), {"run_id": run_id, "expected": wanted, "actor": caller.actor})
    if wanted != run["expected"]:
        _keep(connection, caller, "correct_run", run, before={"expected": run["expected"]}, after={"expected": wanted})
    complete_run(connection, run_id, topic)
    return None


def _difference(expected: int, received: int) -> str:
    if received < expected:
        return f"{expected - received} missing: {received} of {expected} requests have come; the run stays open"
    return f"{received - expected} too many: {received} requests have come, and {expected} were expected"


def release_run(database: Database, caller: Caller, run_id: int) -> Run:
    """Release the hold of a run; the run as it then is. Twice does no harm. Raises NotFound, OwnRun."""
    if run_id > LARGEST_ID:
        raise NotFound("there is no such run")
    database.transaction(lambda connection: _release(connection, caller, run_id))
    return get_run(database, caller.source_system, run_id)


def _release(connection: psycopg.Connection[DictRow], caller: Caller, run_id: int) -> None:
    mine = {"run_id": run_id, "source_system": caller.source_system}
    run = connection.execute(query("lock_run"), mine).fetchone()
    if not run:
        raise NotFound("there is no such run")
    if run["opened_by"] == caller.actor:
        raise OwnRun("somebody else than the client that opened the run must release it")
    if connection.execute(query("release_run"), {"run_id": run_id, "actor": caller.actor}).fetchone():
        _keep(connection, caller, "release", run)


def _keep(
    connection: psycopg.Connection[DictRow], caller: Caller, action: str, run: DictRow,
    *, before: Any = None, after: Any = None,
) -> None:  # fmt: skip
    """An entry in the audit trail."""
    connection.execute(query("keep_action"), {
        "actor": caller.actor,
        "door": "api",
        "action": action,
        "subject": f"run {run['run_id']}",
        "request_id": None,
        "number": None,
        "reason": None,
        "before": before and msgspec.json.encode(before).decode(),
        "after": after and msgspec.json.encode(after).decode(),
    })  # fmt: skip
