"""The search form and the query string as a selection of requests."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, field_validator
from starlette.datastructures import QueryParams

from include.oms.operators.selection import (
    FIRST_PAGE,
    LARGEST_ID,
    MetadataValue,
    Name,
    Place,
    Selected,
    Selection,
    State,
    select_requests,
)
from include.oms.words.model import RED_ENDS, Category, Stage, Status
from include.oms.words.names import trimmed

PERSONAL = ("metadata", "error_text")
"""Fields whose values may be personal data."""

IN_NO_LOG = {*PERSONAL, "q"}
"""Query parameters of the console's addresses that no log may have. ``q`` is whatever somebody pasted."""

AS_THEY_ARE = {
    "batch_id", "document", "document_type", "document_name", "source_system", "stage", "category", "cause",
    "error_text", "state", "hold_id", "unresolved", "retrying", "withdrawn", "created_from", "created_to", "ended_from",
    "ended_to", "batch_name", "run_id",
}  # fmt: skip

Id = Annotated[int, Field(gt=0, le=LARGEST_ID)]


def split_pair(pair: str) -> tuple[str, str]:
    """Key and value of KEY:VALUE, each without the spaces around it; the value may hold further colons."""
    key, _, value = pair.partition(":")
    return trimmed(key), trimmed(value)


def _pair(pair: str) -> str:
    """Split KEY:VALUE. Raises ValueError if the key or the value is empty."""
    _PAIR.validate_python(split_pair(pair))
    return pair


_PAIR = TypeAdapter(tuple[Name, MetadataValue])


class Filter(BaseModel):
    """The filter. A field that is None does not filter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: Id | None = None
    correlation_id: Name | None = None
    batch_id: Id | None = None
    batch_name: Name | None = None
    metadata: Annotated[str, AfterValidator(_pair)] | None = None
    """KEY:VALUE, as POLICY_NUMBER:4711."""
    document: Name | None = None
    """A document's name or type."""
    document_type: Name | None = None
    document_name: Name | None = None
    source_system: Name | None = None
    run_id: Id | None = None
    status: tuple[Status, ...] | None = None
    stage: Stage | None = None
    state: State | None = None
    hold_id: Id | None = None
    """What this hold holds."""
    category: Category | None = None
    """Of the request's last error."""
    cause: Annotated[str, Field(pattern="^[0-9a-f]{32}$")] | None = None
    """Of the last error, as the groups of failures name it."""
    error_text: MetadataValue | None = None
    """A part of the last error's text. Without a status: of what is red or retried, which have an index."""
    unresolved: bool = False
    retrying: bool = False
    """Only what has spent attempts and has not ended."""
    withdrawn: bool | None = None
    """Whether its client or an operator has withdrawn it."""
    created_from: AwareDatetime | None = None
    created_to: AwareDatetime | None = None
    ended_from: AwareDatetime | None = None
    ended_to: AwareDatetime | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_nothing(cls, value: Any) -> Any:
        """Drop empty fields, and spaces around pasted text."""
        value = trimmed(value) if isinstance(value, str) else value
        return None if value in ("", (), [], [""]) else value

    @property
    def personal(self) -> str | None:
        """What is asked by that may be personal data; None if nothing is."""
        return next((name for name in PERSONAL if getattr(self, name)), None)

    def _statuses(self) -> tuple[Status, ...] | None:
        """The statuses; for a text of the last error, which has no index, only those that are few."""
        if not (self.cause or self.error_text) or self.state in (State.NEEDS_PERSON, State.RESOLVED, State.RETRYING):
            return self.status
        return tuple(status for status in self.status or () if status in RED_ENDS) or RED_ENDS

    def in_words(self) -> str:
        """The filter for the audit trail: of metadata the key alone, no text of an error."""
        said = self.model_dump(mode="json", exclude_defaults=True)
        if self.metadata:
            said["metadata"] = f"{split_pair(self.metadata)[0]}:…"
        if self.error_text:
            said["error_text"] = "…"
        words = {name: ", ".join(value) if isinstance(value, list) else value for name, value in said.items()}
        return "; ".join(f"{name}: {value}" for name, value in words.items()) or "all requests"

    def selection(self) -> Selection:
        """The selection of requests."""
        return Selection(
            request_ids=(self.request_id,) if self.request_id else None,
            correlation_ids=(self.correlation_id,) if self.correlation_id else None,
            statuses=self._statuses(),
            metadata=(split_pair(self.metadata),) if self.metadata else None,
            **self.model_dump(include=AS_THEY_ARE),
        )


def without_personal_data(params: QueryParams) -> bytes:
    """The query string of a call, for logs: of personal data the names alone."""
    said = [(name, "…" if name in IN_NO_LOG else value) for name, value in params.multi_items()]
    return urlencode(said).encode()


async def chosen(
    connection: AsyncConnection[DictRow], wanted: Filter, *, limit: int, place: Place = FIRST_PAGE
) -> list[Selected]:
    """A page of the requests of the filter, from ``place`` on: ``limit`` at most."""
    return await select_requests(connection, wanted.selection(), limit=limit, place=place)
