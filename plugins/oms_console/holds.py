"""Holds: matching requests are not claimed, for example while a template is wrong. All others go on."""

from __future__ import annotations

from typing import Annotated, Any, Self

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from include.oms.base import database
from include.oms.operators.selection import LARGEST_ID, Name
from include.oms.slices.early_wake import wake_jobs
from plugins.oms_console.actions import Reason
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.rights import ACT, READ, GetUserDep, actor

router = APIRouter(dependencies=READ)


class Hold(BaseModel):
    """A hold of the requests that match all given fields. It ends when it is released, or at ``until``."""

    model_config = ConfigDict(extra="forbid")

    source_system: Name | None = None
    document_type: Name | None = None
    document_name: Name | None = None
    reason: Reason
    until: AwareDatetime | None = None

    @model_validator(mode="after")
    def _holds_something(self) -> Self:
        if not (self.source_system or self.document_type or self.document_name):
            raise ValueError("name a source system, a document type or a document")
        return self


@router.get("/holds")
async def holds(db: Db) -> list[dict[str, Any]]:
    """The holds in force, each with its number of requests."""
    return await database.rows(db, "holds")


@router.post("/holds", dependencies=ACT)
async def hold(asked: Hold, user: GetUserDep, db: Db) -> list[dict[str, Any]]:
    """Hold matching requests from the next claim on. Returns the holds in force."""
    async with db.transaction():
        await database.rows(db, "hold_matching", actor=actor(user), **asked.model_dump())
        said = asked.model_dump(mode="json", exclude_none=True)
        await audit(db, user, "hold", subject=_in_words(said), reason=asked.reason, after=said)
    return await holds(db)


@router.delete("/holds/{hold_id}", dependencies=ACT)
async def release(hold_id: Annotated[int, Field(gt=0, le=LARGEST_ID)], user: GetUserDep, db: Db) -> Any:
    """Release a hold: its requests are due at once. Returns the holds in force."""
    async with db.transaction():
        released = await database.rows(db, "release_hold", hold_id=hold_id, actor=actor(user))
        if not released:
            raise HTTPException(404, "there is no such hold; somebody may have released it")
        await audit(db, user, "release", subject=_in_words(released[0]), before=released[0])
    await wake_jobs(db)
    return await holds(db)


def _in_words(row: dict[str, Any]) -> str:
    names = ("source_system", "document_type", "document_name", "run_id")
    return "; ".join(f"{name}: {row[name]}" for name in names if row.get(name))
