"""What operators do to a few requests at once. Each is an entry in the timeline with the Airflow user's name.

More than OMS_BULK_APPROVAL_ABOVE requests are a bulk operation (``bulk``).
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.operators.bulk_operations import DONE_ANSWERS, Action, act
from include.oms.operators.selection import MOST_NAMED
from include.oms.slices.early_wake import wake_jobs
from include.oms.words.model import Category, Status
from include.oms.words.names import checked_text
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.filters import Id
from plugins.oms_console.rights import ACT, GetUserDep, actor

CHUNK = 500  # a transaction each

TOO_MANY = "more than {} requests at once are a bulk operation, which needs the approval of a second person"

router = APIRouter(dependencies=ACT)


Reason = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(checked_text)]


class Named(BaseModel):
    """Requests by their ids."""

    model_config = ConfigDict(extra="forbid")

    request_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_NAMED)]
    reason: Reason | None = None

    @model_validator(mode="after")
    def _several_need_a_reason(self) -> Self:
        if len(self.request_ids) > 1 and not self.reason:
            raise ValueError("say why: more than one request is meant")
        return self


@router.post("/retriggers")
async def retrigger(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Retrigger red requests; return the result for each."""
    return await _done(db, user, Action.RETRIGGER, asked)


@router.post("/resolutions")
async def resolve(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Red requests no longer need a person: somebody has seen to them. Reversible; no document is made."""
    return await _done(db, user, Action.RESOLVE, asked)


@router.post("/reopenings")
async def reopen(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Resolved requests need a person again, after all."""
    return await _done(db, user, Action.REOPEN, asked)


@router.post("/retry-now")
async def retry_now(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """What waits for its back-off is due at once."""
    return await _done(db, user, Action.RETRY_NOW, asked)


@router.post("/cancellations")
async def cancel(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """End queued requests as STOPPED, each with its final event. What a job has is left alone."""
    return await _done(db, user, Action.WITHDRAW, asked)


@router.post("/publications")
async def publish_again(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """The newest final event of each goes out once more, with its id."""
    return await _done(db, user, Action.PUBLISH_AGAIN, asked)


async def _done(db: AsyncConnection[DictRow], user: GetUserDep, action: Action, asked: Named) -> dict[str, Any]:
    """Do it, in chunks, each with its line in the audit trail. Raises HTTPException 403 and 422."""
    ids = asked.request_ids
    if action in (Action.RESOLVE, Action.REOPEN) and not asked.reason:
        raise HTTPException(422, "say why: the next operator will want to know")
    if len(ids) > settings().bulk_approval_above:
        raise HTTPException(403, TOO_MANY.format(settings().bulk_approval_above))
    done = set[int]()
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        async with db.transaction():
            changed = await act(db, action, chunk, actor=actor(user), why=asked.reason)
            one = chunk[0] if len(chunk) == 1 else None
            await audit(
                db, user, action, request_id=one, subject=None if one else f"requests {chunk}", number=len(changed),
                reason=asked.reason, after={"done": changed},
            )  # fmt: skip
        done |= set(changed)
    await wake_jobs(db)
    return {"results": await _results(db, ids, done, DONE_ANSWERS[action])}


async def _results(db: AsyncConnection[DictRow], ids: list[int], done: set[int], word: str) -> list[dict[str, Any]]:
    """What came of each request, in the order that they were asked for."""
    now = {row["request_id"]: row for row in await database.rows(db, "list_requests", request_ids=ids)}
    return [
        {
            "request_id": request_id,
            "done": request_id in done,
            "result": word if request_id in done else _why_not(now.get(request_id)),
        }
        for request_id in dict.fromkeys(ids)
    ]


def _why_not(row: DictRow | None) -> str:
    if not row:
        return "there is no such request"
    if (row["status"], row["category"]) == (Status.STOPPED, Category.CANCELLED):
        return f"left alone: {row['description']}; for the document, the client hands in a new request"
    return f"left alone: it is {row['status']} at {row['stage']}"
