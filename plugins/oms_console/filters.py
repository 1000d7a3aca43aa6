"""What the search's form and the query string say, as a selection of requests."""

from __future__ import annotations

from typing import Annotated, Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from include.oms.operators.selection import LARGEST_ID, Selection, select_requests
from include.oms.words.model import RED_ENDS, Category, Status

AS_THEY_ARE = {"batch_id", "document", "category", "retrying", "withdrawn", "created_from", "created_to"}

Id = Annotated[int, Field(gt=0, le=LARGEST_ID)]
Text = Annotated[str, Field(min_length=1, max_length=100, pattern="^[^\x00]*$")]
Pair = Annotated[str, Field(pattern=r"^\s*[^:\s\x00][^:\x00]{0,99}:\s*[^\s\x00][^\x00]{0,254}$")]


class Filter(BaseModel):
    """What to look for; what is None does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: Id | None = None
    correlation_id: Text | None = None
    batch_id: Id | None = None
    metadata: Pair | None = None
    """KEY:VALUE, as POLICY_NUMBER:4711."""
    document: Text | None = None
    """A document's name or type."""
    status: tuple[Status, ...] | None = None
    category: Category | None = None
    """Of the request's last error."""
    retrying: bool = False
    """Only what has spent attempts and has not ended."""
    withdrawn: bool | None = None
    """Whether its client or an operator has withdrawn it."""
    created_from: AwareDatetime | None = None
    created_to: AwareDatetime | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_nothing(cls, value: Any) -> Any:
        """A form sends what is left empty, too."""
        return None if value in ("", (), [], [""]) else value

    def selection(self) -> Selection:
        """The requests that are meant."""
        key, _, value = (self.metadata or "").partition(":")
        return Selection(
            request_ids=(self.request_id,) if self.request_id else None,
            correlation_ids=(self.correlation_id,) if self.correlation_id else None,
            statuses=self.status,
            metadata=((key.strip(), value.strip()),) if self.metadata else None,
            **self.model_dump(include=AS_THEY_ARE),
        )

    def red(self) -> Filter | None:
        """The same, but only what a retrigger may touch; None where that is nothing."""
        status = tuple(status for status in self.status or RED_ENDS if status in RED_ENDS)
        return self.model_copy(update={"status": status, "withdrawn": False}) if status and not self.withdrawn else None


async def chosen(
    connection: AsyncConnection[DictRow], wanted: Filter, *, limit: int, before: int = LARGEST_ID
) -> list[int]:
    """The ids of a page, newest first: ``limit`` at most, all below ``before``."""
    page = await select_requests(connection, wanted.selection(), limit=limit, before=before)
    return [it.request_id for it in page]


async def chosen_red(connection: AsyncConnection[DictRow], wanted: Filter, *, limit: int) -> list[int]:
    """Of what the filter chooses, that which stands at a red end and was not withdrawn."""
    red = wanted.red()
    return await chosen(connection, red, limit=limit) if red else []
