"""Bulk operations: one action on all requests that match, listed with their progress and an answer for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.oms.base import database
from include.oms.base.settings import LEAST_PER_SECOND, MOST_PER_SECOND, settings
from include.oms.operators import bulk_operations
from include.oms.operators.audit import Door
from include.oms.operators.bulk_operations import Action, Change, Count, NotAllowed, WrongState
from include.oms.operators.selection import LARGEST_ID, MOST_NAMED, Selection
from plugins.oms_console.actions import Reason
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db, connection
from plugins.oms_console.filters import Filter, Id
from plugins.oms_console.rights import ACT, READ, GetUserDep, actor
from plugins.oms_console.sheets import csv_lines

PAGE = 50
ANSWERS_A_PAGE = 200
EXPORT_PAGE = 1000
IDS_IN_WORDS = 10

router = APIRouter(prefix="/bulk-operations", dependencies=READ)

OperationId = Annotated[int, Field(gt=0, le=LARGEST_ID)]


class Meant(BaseModel):
    """An action and its requests: all that a filter chooses, or those that are named."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    filter: Filter | None = None
    request_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MOST_NAMED)] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.filter is None) == (self.request_ids is None):
            raise ValueError("give a filter or request ids")
        return self

    def selection(self) -> Selection | None:
        """The requests that the action can do anything to; None if there are none for certain."""
        chosen = self.filter.selection() if self.filter else Selection(request_ids=self.request_ids)
        return bulk_operations.narrowed(self.action, chosen)

    def in_words(self) -> str:
        """The selection, without metadata values."""
        if self.filter:
            return self.filter.in_words()
        ids = self.request_ids or ()
        more = f" and {len(ids) - IDS_IN_WORDS} more" if len(ids) > IDS_IN_WORDS else ""
        return f"requests {', '.join(map(str, ids[:IDS_IN_WORDS]))}{more}"


class Asked(Meant):
    """The operation, and the number of requests that the operator has confirmed."""

    expected: Annotated[int, Field(ge=0)]
    reason: Reason
    per_second: Annotated[float, Field(ge=LEAST_PER_SECOND, le=MOST_PER_SECOND)] | None = None


class Decision(BaseModel):
    """Whether an operation that waits for a second person may run."""

    model_config = ConfigDict(extra="forbid")

    approve: bool


class Changed(BaseModel):
    """What becomes of an operation that has not ended."""

    model_config = ConfigDict(extra="forbid")

    change: Change


@router.get("")
async def listed(db: Db, before: Annotated[int, Query(gt=0, le=LARGEST_ID)] = LARGEST_ID) -> dict[str, Any]:
    """A page of operations, newest first, and the id that the next page goes on before."""
    rows = await bulk_operations.operations(db, limit=PAGE + 1, before=before)
    return {"items": rows[:PAGE], "before": rows[PAGE - 1]["operation_id"] if len(rows) > PAGE else None}


@router.post("/counts", dependencies=ACT)
async def count(meant: Meant, db: Db) -> dict[str, Any]:
    """The number of requests that the operation would have, by status, stage and last error."""
    counted = await _counted(db, meant.selection())
    groups = [
        {"status": status, "stage": stage, "category": category, "number": number}
        for (status, stage, category), number in counted.by_kind.items()
    ]
    return {
        "number": counted.total,
        "groups": sorted(groups, key=lambda group: -int(str(group["number"]))),
        "needs_approval": counted.total > settings().bulk_approval_above,
        "per_second": bulk_operations.PER_SECOND[meant.action],
    }


async def _counted(db: AsyncConnection[DictRow], selection: Selection | None) -> Count:
    if selection:
        return await bulk_operations.count_selection(db, selection)
    (clock,) = await database.rows(db, "database_time")
    return Count({}, clock["at"])


@router.post("", dependencies=ACT)
async def create(asked: Asked, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Ask for an operation. 409 where the number is no longer the one that was confirmed."""
    selection = asked.selection()
    counted = await _counted(db, selection)
    if counted.total != asked.expected:
        raise HTTPException(409, f"{asked.expected} were confirmed, and now there are {counted.total}: look again")
    if not selection or not counted.total:
        raise HTTPException(422, "there is nothing to do: no request matches")
    operation_id = await bulk_operations.create_operation(
        db, asked.action, selection, counted, subject=asked.in_words(), actor=actor(user), door=Door.CONSOLE,
        reason=asked.reason, approval_above=settings().bulk_approval_above, per_second=asked.per_second,
    )  # fmt: skip
    return await _shown(db, operation_id)


@router.get("/{operation_id}")
async def one(operation_id: OperationId, db: Db) -> dict[str, Any]:
    """One operation, with the number of its requests by answer."""
    return await _shown(db, operation_id)


async def _shown(db: AsyncConnection[DictRow], operation_id: int) -> dict[str, Any]:
    found = await bulk_operations.operation(db, operation_id)
    if not found:
        raise HTTPException(404, "there is no such operation")
    return found | {"answers": await database.rows(db, "counted_answers", operation_id=operation_id)}


@router.get("/{operation_id}/answers")
async def answers(
    operation_id: OperationId, db: Db, after: Annotated[str, Query(max_length=100)] = ""
) -> dict[str, Any]:
    """A page of the answers, and the key that the next page goes on after."""
    values = {"operation_id": operation_id, "after": after, "limit": ANSWERS_A_PAGE + 1}
    rows = await database.rows(db, "answers_of_operation", **values)
    more = len(rows) > ANSWERS_A_PAGE
    return {"items": rows[:ANSWERS_A_PAGE], "after": rows[ANSWERS_A_PAGE - 1]["request"] if more else None}


@router.get("/{operation_id}/answers.csv")
async def export(operation_id: OperationId, user: GetUserDep, db: Db) -> StreamingResponse:
    """The answer for each request, as a table."""
    await audit(db, user, "export_answers", subject=f"operation {operation_id}")
    name = f"oms-operation-{operation_id}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = csv_lines(_all_answers(operation_id))
    return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


async def _all_answers(operation_id: int) -> AsyncIterator[list[DictRow]]:
    async for db in connection():
        after = ""
        values = {"operation_id": operation_id, "limit": EXPORT_PAGE}
        while rows := await database.rows(db, "answers_of_operation", after=after, **values):
            yield rows
            after = rows[-1]["request"]


@router.post("/{operation_id}/decisions", dependencies=ACT)
async def decide(operation_id: OperationId, said: Decision, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Approve or reject it. 403 to the one who asked; 409 where somebody was quicker."""
    try:
        await bulk_operations.decide(db, operation_id, approve=said.approve, actor=actor(user), door=Door.CONSOLE)
    except NotAllowed as error:
        raise HTTPException(403, str(error)) from error
    except WrongState as error:
        raise _conflict(error) from error
    return await _shown(db, operation_id)


@router.post("/{operation_id}/changes", dependencies=ACT)
async def change(operation_id: OperationId, said: Changed, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Pause, resume or stop it. 409 where it is over, or somebody was quicker."""
    try:
        await bulk_operations.change_operation(db, operation_id, said.change, actor=actor(user), door=Door.CONSOLE)
    except WrongState as error:
        raise _conflict(error) from error
    return await _shown(db, operation_id)


def _conflict(error: WrongState) -> HTTPException:
    return HTTPException(409 if error.state else 404, f"{error}; nothing is changed")
