"""What operators do to requests. Each is an entry in the timeline with the Airflow user's name."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.ending.final_status import End, bring_to_end
from include.oms.ending.retrigger import retrigger_requests
from include.oms.words.model import Category, Job, Stage, Status
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.filters import Filter, Id, chosen_red
from plugins.oms_console.rights import ACT, GetUserDep, actor

MOST_AT_ONCE = 10_000
CHUNK = 500  # a transaction each

TOO_MANY = (
    "more than {} requests at once need the approval of a second person: start document_retrigger with the same "
    "selection, and somebody else approves it"
)

router = APIRouter(dependencies=ACT)


Reason = Annotated[str, Field(min_length=1, max_length=500, pattern="^[^\x00]*$")]


class Named(BaseModel):
    """Requests by their ids."""

    model_config = ConfigDict(extra="forbid")

    request_ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_AT_ONCE)]
    reason: Reason | None = None

    @model_validator(mode="after")
    def _several_need_a_reason(self) -> Self:
        _check_reason(self.reason, len(self.request_ids))
        return self


class Filtered(BaseModel):
    """All red requests that a filter chooses; ``expected`` is the number that the operator has confirmed."""

    model_config = ConfigDict(extra="forbid")

    filter: Filter
    expected: Annotated[int, Field(ge=0, le=MOST_AT_ONCE)]
    reason: Reason | None = None

    @model_validator(mode="after")
    def _several_need_a_reason(self) -> Self:
        _check_reason(self.reason, self.expected)
        return self


def _check_reason(reason: str | None, many: int) -> None:
    if many > 1 and not reason:
        raise ValueError("say why: more than one request is meant")


@router.post("/retriggers")
async def retrigger(asked: Named | Filtered, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Drive red requests again, and tell of each what came of it."""
    ids = asked.request_ids if isinstance(asked, Named) else await _confirmed(db, asked)
    if len(ids) > settings().retrigger_approval_above:
        raise HTTPException(403, TOO_MANY.format(settings().retrigger_approval_above))
    again: set[int] = set()
    for start in range(0, len(ids), CHUNK):
        async with db.transaction():
            chunk = ids[start : start + CHUNK]
            done = await retrigger_requests(db, chunk, actor=actor(user), why=asked.reason)
            await _keep(db, user, "retrigger", chunk, done, asked)
            again |= set(done)
    await _wake(db)
    return {"results": await _results(db, ids, again, "retriggered")}


async def _confirmed(db: AsyncConnection[DictRow], asked: Filtered) -> list[int]:
    """What the filter chooses now, if that is as many as were confirmed. Raises HTTPException 409."""
    ids = await chosen_red(db, asked.filter, limit=MOST_AT_ONCE)
    if len(ids) != asked.expected:
        raise HTTPException(409, f"{asked.expected} were confirmed, and now there are {len(ids)}: look again")
    return ids


@router.post("/resolutions")
async def resolve(asked: Named | Filtered, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Red requests no longer need a person: somebody has seen to them. Reversible; no document is made."""
    return await _marked(db, user, "resolve", "resolve_requests", asked, "resolved")


@router.post("/reopenings")
async def reopen(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """Resolved requests need a person again, after all."""
    return await _marked(db, user, "reopen", "reopen_requests", asked, "reopened")


async def _marked(
    db: AsyncConnection[DictRow], user: GetUserDep, action: str, query: str, asked: Named | Filtered, word: str
) -> dict[str, Any]:
    if not asked.reason:
        raise HTTPException(422, "say why: whoever looks at it later will want to know")
    ids = asked.request_ids if isinstance(asked, Named) else await _confirmed(db, asked)
    marked = set[int]()
    for start in range(0, len(ids), CHUNK):
        chunk = ids[start : start + CHUNK]
        async with db.transaction():
            rows = await database.rows(db, query, request_ids=chunk, actor=actor(user), why=asked.reason)
            done = [row["request_id"] for row in rows]
            await _keep(db, user, action, chunk, done, asked)
        marked |= set(done)
    return {"results": await _results(db, ids, marked, word)}


@router.post("/retry-now")
async def retry_now(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """What waits for its back-off is due at once."""
    async with db.transaction():
        rows = await database.rows(db, "retry_now", request_ids=asked.request_ids, actor=actor(user))
        await _keep(db, user, "retry_now", asked.request_ids, [row["request_id"] for row in rows], asked)
    await _wake(db)
    return {"results": await _results(db, asked.request_ids, {row["request_id"] for row in rows}, "due now")}


@router.post("/cancellations")
async def cancel(asked: Named, user: GetUserDep, db: Db) -> dict[str, Any]:
    """End queued requests as STOPPED, each with its final event. What a job has is left alone."""
    done = {request_id for request_id in asked.request_ids if await _cancel(db, request_id, user, asked)}
    return {"results": await _results(db, asked.request_ids, done, "withdrawn")}


async def _cancel(db: AsyncConnection[DictRow], request_id: int, user: GetUserDep, asked: Named) -> bool:
    async with db.transaction():
        if not await database.rows(db, "hold_any_request", request_id=request_id):
            return False
        (found,) = await database.rows(db, "look_before_cancel", request_id=request_id)
        if not found["can_be_cancelled"]:
            return False
        end = End(request_id, Status.STOPPED, Stage(found["stage"]), Category.CANCELLED, "withdrawn by an operator")
        ended = await bring_to_end(
            db, [end], from_status=Status.QUEUED, lease_token=None, slice_id=None, actor=actor(user)
        )
        await _keep(db, user, "withdraw", [request_id], [request_id] if ended else [], asked)
        return bool(ended)


async def _keep(
    db: AsyncConnection[DictRow], user: GetUserDep, action: str, meant: list[int], done: list[int], asked: Any
) -> None:
    """One line in the audit trail for one request, and one for a chunk of them."""
    one = meant[0] if len(meant) == 1 else None
    subject = asked.filter.in_words() if isinstance(asked, Filtered) else None if one else f"requests {meant}"
    await audit(
        db, user, action, request_id=one, subject=subject, number=len(done), reason=asked.reason, after={"done": done}
    )


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
        return f"left alone: {row['description']}; whoever wants it after all hands in a new request"
    return f"left alone: it is {row['status']} at {row['stage']}"


async def _wake(db: AsyncConnection[DictRow]) -> None:
    """Tell the jobs' watchers at once that work has come."""
    for job in Job:
        await database.rows(db, "wake", job=job)
