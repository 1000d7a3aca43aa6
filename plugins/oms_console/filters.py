"""Which requests are meant: one filter for the list, its counts, its export and its button."""

from __future__ import annotations

from typing import Annotated, Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from include.oms import database
from include.oms.model import Category, Status

LARGEST_ID = 2**63 - 1
RED = (Status.FAILED, Status.STOPPED)

Id = Annotated[int, Field(gt=0, le=LARGEST_ID)]
Text = Annotated[str, Field(min_length=1, max_length=255, pattern="^[^\x00]*$")]


class Filter(BaseModel):
    """What to look for; what is None does not matter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    request_id: Id | None = None
    correlation_id: Text | None = None
    batch_id: Id | None = None
    metadata: Annotated[str, Field(pattern=r"^[^:\x00]{1,100}:[^\x00]{1,255}$")] | None = None
    """KEY:VALUE, as POLICY_NUMBER:4711."""
    document: Text | None = None
    """A document's name or type."""
    status: tuple[Status, ...] | None = None
    category: Category | None = None
    """Of the request's last error."""
    retrying: bool = False
    """Only what has spent attempts and has not ended."""
    created_from: AwareDatetime | None = None
    created_to: AwareDatetime | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_nothing(cls, value: Any) -> Any:
        """A form sends what is left empty, too."""
        return None if value in ("", (), [], [""]) else value

    def values(self) -> dict[str, Any]:
        """What the query ``chosen_requests`` binds, but for the page."""
        key, _, value = (self.metadata or "").partition(":")
        values = self.model_dump(exclude={"metadata", "status"})
        statuses = list(self.status) if self.status else None
        return values | {"metadata_key": key.strip() or None, "metadata_value": value.strip(), "statuses": statuses}

    def red(self) -> Filter:
        """The same, but only what a retrigger may touch."""
        chosen = self.status or RED
        return self.model_copy(update={"status": tuple(status for status in chosen if status in RED) or None})

    @property
    def chooses_no_red(self) -> bool:
        """The filter names statuses, and none of them can be retriggered."""
        return self.status is not None and not set(self.status) & set(RED)


async def chosen(
    connection: AsyncConnection[DictRow], wanted: Filter, *, limit: int, before: int = LARGEST_ID
) -> list[int]:
    """The ids of a page, newest first: ``limit`` at most, all below ``before``."""
    rows = await database.rows(connection, "chosen_requests", **wanted.values(), limit=limit, before=before)
    return [row["request_id"] for row in rows]


async def chosen_red(connection: AsyncConnection[DictRow], wanted: Filter, *, limit: int) -> list[int]:
    """Of what the filter chooses, that which stands at a red end."""
    return [] if wanted.chooses_no_red else await chosen(connection, wanted.red(), limit=limit)
