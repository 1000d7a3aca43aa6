"""Holds: matching requests are not claimed, for example while a template is wrong. All others go on."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from include.oms.base import database
from include.oms.operators.selection import LARGEST_ID, State
from include.oms.slices.early_wake import wake_jobs
from include.oms.words.model import Status
from plugins.oms_console.actions import Reason
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.filters import Filter, split_pair
from plugins.oms_console.rights import ACT, READ, GetUserDep, actor

router = APIRouter(dependencies=READ)

COLUMNS = {"source_system", "document_type", "document_name"}
"""Conditions with a column of their own; all others are in ``conditions``."""
SAID_OF_ALL = {"status", "state", "unresolved", "withdrawn"}
"""What says no more of a request than that it is queued."""
NOT_OF_QUEUED = {"ended_from", "ended_to", "hold_id"}
"""What no hold can ask: a queued request has no end, and a hold does not rest on another."""
QUEUED_STATES = {State.DUE, State.HELD, State.WAITING, State.RETRYING}


def _holds_something(wanted: Filter) -> Filter:
    """Check that queued requests can match, and not all of them do. Raises ValueError."""
    said = wanted.model_dump(exclude_none=True, exclude_defaults=True)
    is_of_others = (
        (wanted.status and Status.QUEUED not in wanted.status)
        or (wanted.state and wanted.state not in QUEUED_STATES)
        or wanted.withdrawn
    )
    if is_of_others or said.keys() & NOT_OF_QUEUED:
        raise ValueError("a hold is of queued requests, and of those that come later: none of them can match")
    if not _conditions(wanted) and not said.keys() & COLUMNS:
        raise ValueError("name what is to be held; to stop everything, pause Thunderhead")
    return wanted


def _conditions(wanted: Filter) -> dict[str, Any]:
    """The conditions without a column of their own, as ``stop_of`` reads them."""
    said = wanted.model_dump(mode="json", exclude_defaults=True, exclude=COLUMNS | SAID_OF_ALL | {"metadata"})
    if wanted.state is State.RETRYING:
        said["retrying"] = True
    if wanted.metadata:
        said["metadata_key"], said["metadata_value"] = split_pair(wanted.metadata)
    return said


class Hold(BaseModel):
    """A hold of the requests that match a filter of the search. It ends when it is released, or at ``until``."""

    model_config = ConfigDict(extra="forbid")

    filter: Annotated[Filter, AfterValidator(_holds_something)]
    reason: Reason
    until: AwareDatetime | None = None


class Release(BaseModel):
    """Why the requests may go on."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.get("/holds")
async def holds(db: Db) -> list[dict[str, Any]]:
    """The holds in force, each with its number of requests."""
    return await database.rows(db, "holds")


@router.post("/holds", dependencies=ACT)
async def hold(asked: Hold, user: GetUserDep, db: Db) -> list[dict[str, Any]]:
    """Hold matching requests from the next claim on. Returns the holds in force."""
    conditions = _conditions(asked.filter)
    async with db.transaction():
        (made,) = await database.rows(
            db, "hold_matching", actor=actor(user), reason=asked.reason, until=asked.until,
            conditions=json.dumps(conditions) if conditions else None, **asked.filter.model_dump(include=COLUMNS),
        )  # fmt: skip
        now = await holds(db)
        await audit(
            db, user, "hold", subject=made["subject"], number=_number(now, made["hold_id"]), reason=asked.reason,
            after=made | {"until": asked.until},
        )  # fmt: skip
    return now


@router.delete("/holds/{hold_id}", dependencies=ACT)
async def release(
    hold_id: Annotated[int, Field(gt=0, le=LARGEST_ID)], said: Release, user: GetUserDep, db: Db
) -> list[dict[str, Any]]:
    """Release a hold: its requests are due at once. Returns the holds in force."""
    async with db.transaction():
        number = _number(await holds(db), hold_id)
        released = await database.rows(db, "release_hold", hold_id=hold_id, actor=actor(user))
        if not released:
            raise HTTPException(404, "there is no such hold; somebody may have released it")
        subject = released[0]["subject"]
        await audit(db, user, "release", subject=subject, number=number, reason=said.reason, before=released[0])
    await wake_jobs(db)
    return await holds(db)


def _number(rows: list[dict[str, Any]], hold_id: int) -> int | None:
    """How many requests this hold holds; None if it is over."""
    return next((int(row["number"]) for row in rows if row["hold_id"] == hold_id), None)
