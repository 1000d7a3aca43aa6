"""The audit trail as a page and as a table for a spreadsheet. It can be read; nothing here can change it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator

from include.oms.base.queries import query
from include.oms.operators.selection import LARGEST_ID
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db, connection
from plugins.oms_console.rights import ACT, GetUserDep
from plugins.oms_console.sheets import csv_lines

PAGE = 100
EXPORT_PAGE = 1000

router = APIRouter(dependencies=ACT)


class TrailFilter(BaseModel):
    """The filter of actions. A field that is None does not filter."""

    model_config = ConfigDict(extra="forbid")

    actor: Annotated[str, Field(max_length=200)] | None = None
    action: Annotated[str, Field(pattern="^[a-z_]{1,60}$")] | None = None
    request_id: Annotated[int, Field(gt=0, le=LARGEST_ID)] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    before: Annotated[int, Field(gt=0, le=LARGEST_ID)] = LARGEST_ID

    @field_validator("*", mode="before")
    @classmethod
    def _empty_is_nothing(cls, value: Any) -> Any:
        return None if value == "" else value


Asked = Annotated[TrailFilter, Query()]


async def _page(db: AsyncConnection[DictRow], asked: TrailFilter, before: int, limit: int) -> list[DictRow]:
    values = asked.model_dump(exclude={"before"}) | {"before_id": before, "limit": limit}
    return await (await db.execute(query("operator_actions"), values, prepare=False)).fetchall()


@router.get("/actions")
async def actions(asked: Asked, db: Db) -> dict[str, Any]:
    """A page of the trail, newest first, and the id below which the next page starts."""
    rows = await _page(db, asked, asked.before, PAGE + 1)
    return {"items": rows[:PAGE], "before": rows[PAGE - 1]["action_id"] if len(rows) > PAGE else None}


@router.get("/actions.csv")
async def export(asked: Asked, user: GetUserDep, db: Db) -> StreamingResponse:
    """Export all actions of the filter. The export is an action itself."""
    said = asked.model_dump(mode="json", exclude_none=True, exclude={"before"})
    await audit(db, user, "export_actions", subject="; ".join(f"{name}: {it}" for name, it in said.items()) or "all")
    headers = {"Content-Disposition": 'attachment; filename="oms-actions.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(csv_lines(_all(asked)), media_type="text/csv; charset=utf-8", headers=headers)


async def _all(asked: TrailFilter) -> AsyncIterator[list[DictRow]]:
    async for db in connection():
        before = asked.before
        while rows := await _page(db, asked, before, EXPORT_PAGE):
            yield rows
            before = rows[-1]["action_id"]
