"""Requests as their client sees them. Every query here is limited to the source system of the caller."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import msgspec

from include.oms.intake.database import Database
from include.oms.intake.refusals import Fault, NotFound, StatementTimedOut, TooWide
from include.oms.words.model import Status

Shown: TypeAlias = Mapping[str, Any]
"""A request as its client sees it; its members are those of the query ``show_requests``."""

LARGEST_ID = 2**63 - 1
CURSOR_PATTERN = "^c[0-9a-f]{1,15}$"
MOST_COUNTED = 1_000_000  # requests in one summary
MOST_PAIRS = 5  # of metadata in one search: each costs a look at the index

NARROWED_BY = (
    Fault("?created_from", "a later instant narrows it"),
    Fault("?created_to", "an earlier instant narrows it"),
    Fault("?metadata", "a pair that few requests have narrows it"),
    Fault("?request_correlation_id", "narrows it to one request"),
)
"""How a query that is too wide can be narrowed."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """The filter. A field that is None does not filter."""

    status: Sequence[str] | None = None
    document_type: str | None = None
    document_name: str | None = None
    request_correlation_id: str | None = None
    metadata: Sequence[tuple[str, str]] = ()  # all must hold
    run_id: int | None = None
    created_from: datetime | None = None  # inclusive
    created_to: datetime | None = None  # exclusive
    limit: int = 50
    before: int = LARGEST_ID  # the request id that the page before ended with


def find(database: Database, source_system: str, search: Search) -> tuple[list[Shown], str | None]:
    """A page of requests, newest first, and the cursor of the next page, None on the last. Raises TooWide."""
    values = msgspec.structs.asdict(search) | {"limit": search.limit + 1, "source_system": source_system}
    pairs = values.pop("metadata")
    try:
        if pairs:
            pairs = _rarest_first(database, pairs)
            values |= {"keys": [key for key, _ in pairs], "values": [value for _, value in pairs]}
            rows = database.rows("find_requests_by_metadata", prepare=False, **values)
        else:
            rows = database.rows("find_requests", prepare=False, **values)
    except StatementTimedOut as error:
        if search.request_correlation_id:  # it cannot be narrower
            raise
        raise TooWide("the search takes too long", NARROWED_BY) from error
    ids = [row["request_id"] for row in rows]
    page = ids[: search.limit]
    return list(show(database, source_system, page).values()), (f"c{page[-1]:x}" if len(ids) > search.limit else None)


def before_cursor(cursor: str) -> int:
    """The request id of a cursor. Raises ValueError if it is no cursor of ours."""
    if not re.fullmatch(CURSOR_PATTERN, cursor):
        raise ValueError("is no cursor of this service")
    return int(cursor[1:], 16)


def show(database: Database, source_system: str, request_ids: Sequence[int]) -> dict[int, Shown]:
    """The requests with these ids that belong to the source system, newest first."""
    if not request_ids:
        return {}
    rows = database.rows("show_requests", source_system=source_system, request_ids=list(request_ids))
    return {row["request_id"]: row["request"] for row in rows}


def get(database: Database, source_system: str, request_id: int) -> Shown:
    """One request. Raises NotFound."""
    shown = show(database, source_system, [request_id]) if request_id <= LARGEST_ID else {}
    if request_id not in shown:
        raise NotFound("there is no such request")
    return shown[request_id]


def timeline(database: Database, source_system: str, request_id: int) -> list[Mapping[str, Any]]:
    """All that happened to a request, oldest first. Raises NotFound."""
    rows = _rows_of(database, "timeline_of_request", source_system, request_id)
    if not rows:
        raise NotFound("there is no such request")
    return [row for row in rows if row["at"] is not None]


def content(database: Database, source_system: str, request_id: int, form: str) -> str:
    """The text of what was sent (json) or of what Thunderhead got (xml). Raises NotFound where it is not there."""
    name = {"json": "content_as_sent", "xml": "content_as_submitted"}[form]
    rows = _rows_of(database, name, source_system, request_id)
    if not rows:
        raise NotFound("there is no such content")
    text: str = rows[0]["content"]
    return text


def count(
    database: Database, source_system: str, created_from: datetime | None = None, created_to: datetime | None = None
) -> Shown:
    """How many requests there are, in all and by status. Raises TooWide where there are more than ``MOST_COUNTED``."""
    values = {"source_system": source_system, "created_from": created_from, "created_to": created_to}
    try:
        rows = database.rows("count_requests", prepare=False, most=MOST_COUNTED + 1, **values)
    except StatementTimedOut as error:
        raise TooWide("counting takes too long", NARROWED_BY[:2]) from error
    statuses = dict.fromkeys(map(str, Status), 0) | {row["status"]: row["number"] for row in rows}
    total = sum(statuses.values())
    if total > MOST_COUNTED:
        raise TooWide(f"there are more than {MOST_COUNTED} requests to count", NARROWED_BY[:2])
    return {"total": total, "statuses": statuses}


def _rarest_first(database: Database, pairs: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Sort the pairs, the rarest first: the search reads the requests that have the first pair."""
    if len(pairs) == 1:
        return pairs
    keys, values = [key for key, _ in pairs], [value for _, value in pairs]
    return [(row["key"], row["value"]) for row in database.rows("rarest_pairs_first", keys=keys, values=values)]


def utc_text(instant: datetime) -> str:
    """An instant as RFC 3339 text in UTC, to the microsecond: as the database function of this name gives it."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _rows_of(database: Database, name: str, source_system: str, request_id: int) -> Sequence[Mapping[str, Any]]:
    if request_id > LARGEST_ID:
        return []
    return database.rows(name, source_system=source_system, request_id=request_id)
