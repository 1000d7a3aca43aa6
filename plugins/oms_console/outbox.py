"""The outbox: topics that take no events, events that are set aside and why, and their release."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from include.oms.base import database
from include.oms.words.model import Job
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.rights import ACT, READ, GetUserDep

RELEASED_AT_ONCE = 1000  # a transaction each

router = APIRouter(dependencies=READ)

Text = Annotated[str, Field(max_length=1000)]


class Group(BaseModel):
    """Events of one topic that are set aside for one reason. An empty topic: the default one."""

    model_config = ConfigDict(extra="forbid")

    topic: Text
    reason: Text


@router.get("/outbox")
async def outbox(db: Db) -> list[dict[str, Any]]:
    """Waiting events and events that are set aside, by topic and reason."""
    return await database.rows(db, "outbox_by_topic")


@router.post("/outbox/releases", dependencies=ACT)
async def release(group: Group, user: GetUserDep, db: Db) -> dict[str, int]:
    """Release a group of events; returns how many. An event that a later end has overtaken stays set aside."""
    released, found = 0, RELEASED_AT_ONCE
    while found == RELEASED_AT_ONCE:
        (row,) = await database.rows(db, "release_set_aside", limit=RELEASED_AT_ONCE, **group.model_dump())
        released, found = released + row["released"], row["chosen"]
    subject = f"events of {group.topic or 'the default topic'}"
    await audit(db, user, "publish_set_aside", subject=subject, number=released, before=group.model_dump())
    await database.rows(db, "wake", job=Job.MONITORING)
    return {"released": released}
