"""A selection of requests: one class and one query to count, show or retrigger it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow, class_row
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from include.oms.base.queries import query
from include.oms.words.model import Category, Stage, Status
from include.oms.words.names import checked_name

LARGEST_ID = 2**63 - 1
MOST_NAMED = 10_000  # request or correlation ids in one selection
NEWEST_LOOKED_AT = 1000  # requests with a metadata pair or an error category, before all of them are looked at

RequestId = Annotated[int, Field(gt=0, le=LARGEST_ID)]
Name = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(checked_name)]
MetadataValue = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(checked_name)]


class State(StrEnum):
    """The states of requests for operators: the dashboard counts by them, and a search filters by them."""

    DUE = "due"  # queued, and may be claimed now
    HELD = "held"  # queued, and held or of a paused document type
    WAITING = "waiting"  # queued, for a later time
    IN_HAND = "in_hand"  # held by a slice
    AT_THUNDERHEAD = "at_thunderhead"  # being generated
    NEEDS_PERSON = "needs_person"  # at a red end, not withdrawn or resolved, and with its content
    RESOLVED = "resolved"  # at a red end, and an operator has resolved it
    RETRYING = "retrying"  # has spent attempts, and has not ended
    UNPUBLISHED = "unpublished"  # a final event waits for Kafka
    SET_ASIDE = "set_aside"  # a final event was refused for good


class Order(StrEnum):
    """The orders of a search. Each has an index."""

    NEWEST = "newest"  # the newest request first
    OLDEST = "oldest"  # the oldest request first
    ENDED = "ended"  # the last end first; open requests are left out


@dataclass(frozen=True)
class Place:
    """Where a page of a selection begins: after this request, in this order. Without a request it is the first page."""

    order: Order = Order.NEWEST
    request_id: int | None = None
    ended_at: datetime | None = None  # of the request, in the order ENDED

    def values(self) -> dict[str, Any]:
        """The values of the query ``select_requests`` that say where it begins."""
        return {
            "order": self.order,
            "before": LARGEST_ID if self.request_id is None or self.order is not Order.NEWEST else self.request_id,
            "after": self.request_id if self.order is Order.OLDEST else None,
            "ended_before": self.ended_at,
            "ended_before_id": self.request_id,
        }


FIRST_PAGE = Place()


class Selection(BaseModel):
    """A filter on requests. A field that is None does not filter; all others must match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_ids: Annotated[tuple[RequestId, ...], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    correlation_ids: Annotated[tuple[Name, ...], Field(min_length=1, max_length=MOST_NAMED)] | None = None
    statuses: Annotated[tuple[Status, ...], Field(min_length=1)] | None = None
    stage: Stage | None = None
    source_system: Name | None = None
    run_id: RequestId | None = None
    document_type: Name | None = None
    document_name: Name | None = None
    document: Name | None = None  # matches the document name or the document type
    batch_id: Annotated[int, Field(gt=0, le=LARGEST_ID)] | None = None  # Thunderhead's batch id, of any attempt
    batch_name: Name | None = None  # of any attempt
    category: Category | None = None  # of the last error
    cause: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None  # hash of the last error's cause
    error_text: MetadataValue | None = None  # a part of the last error's text; it may be personal data
    state: State | None = None
    hold_id: RequestId | None = None  # what this hold holds
    unresolved: bool = False  # only requests that no operator has resolved
    retrying: bool = False  # only what has spent attempts and has not ended
    withdrawn: bool | None = None  # whether its client took it back
    metadata: Annotated[tuple[tuple[Name, MetadataValue], ...], Field(min_length=1, max_length=20)] | None = None
    created_from: AwareDatetime | None = None  # inclusive
    created_to: AwareDatetime | None = None  # exclusive
    ended_from: AwareDatetime | None = None  # inclusive
    ended_to: AwareDatetime | None = None  # exclusive

    def values(self) -> dict[str, Any]:
        """The values of the query ``select_requests`` that filter."""
        values = self.model_dump(exclude={"metadata"})
        pairs = self.metadata or ()
        keys, texts = [key for key, _ in pairs] or None, [text for _, text in pairs] or None
        lists = {name: list(it) for name, it in values.items() if isinstance(it, tuple)}
        return values | lists | {"keys": keys, "values": texts}


@dataclass(frozen=True)
class Selected:
    """One request of a selection, with the category of its last error."""

    request_id: int
    source_system: str
    request_correlation_id: str
    document_type: str
    document_name: str
    status: Status
    stage: Stage
    category: str | None
    revision: int
    attempts: int
    created_at: datetime
    ended_at: datetime | None


async def select_requests(
    connection: AsyncConnection[DictRow], selection: Selection, *, limit: int, place: Place = FIRST_PAGE
) -> list[Selected]:
    """A page of a selection: ``limit`` requests at most, from ``place`` on, in its order."""
    cursor = connection.cursor(row_factory=class_row(Selected))
    values = selection.values() | place.values() | {"limit": limit}

    async def page(newest: int | None) -> list[Selected]:
        await cursor.execute(query("select_requests"), values | {"newest": newest}, prepare=False)
        return await cursor.fetchall()

    # A million may match, and the newest usually fill the page.
    if place.order is Order.NEWEST and (selection.metadata or selection.category):
        found = await page(limit + NEWEST_LOOKED_AT)
        if len(found) == limit:
            return found
    return await page(None)


async def pages(
    connection: AsyncConnection[DictRow], selection: Selection, *, page_size: int
) -> AsyncIterator[list[Selected]]:
    """All pages of a selection. A request is returned once, even if it changes in the meantime."""
    place = FIRST_PAGE
    while page := await select_requests(connection, selection, limit=page_size, place=place):
        yield page
        place = Place(request_id=page[-1].request_id)
