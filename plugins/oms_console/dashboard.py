"""The dashboard: counts by status over time, the oldest that waits, what stands red, health; and the dial."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from include.oms.base import database
from include.oms.operators.selection import Name
from include.oms.outside.breaker import System
from include.oms.outside.dial import EVERY_TYPE
from include.oms.words.model import Job
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.outside import CONNECTIONS, reachable
from plugins.oms_console.rights import ACT, READ, GetUserDep, actor, may

router = APIRouter(dependencies=READ)

RANGES = {"1h": (60, 60), "6h": (72, 300), "24h": (96, 900), "7d": (84, 7200)}
"""Steps, and the length of each in seconds."""

FRESH_SECONDS = 5.0
_health: tuple[float, dict[str, Any]] = (0.0, {})


@router.get("/me")
def me(user: GetUserDep) -> dict[str, Any]:
    """Who asks, and what the pages may offer."""
    return {"name": user.get_name(), "may": may(user)}


@router.get("/dashboard")
async def dashboard(db: Db, over: Literal["1h", "6h", "24h", "7d"] = "6h") -> dict[str, Any]:
    """What stands where now, and what came and ended over a while."""
    steps, step_seconds = RANGES[over]
    (stock,) = await database.rows(db, "stock")
    return {
        "stock": stock,
        "step_seconds": step_seconds,
        "steps": await database.rows(db, "ends_over_time", steps=steps, step_seconds=step_seconds),
        "red": await database.rows(db, "red_by_category"),
    }


@router.get("/retrying")
async def retrying(db: Db) -> list[dict[str, Any]]:
    """What has spent attempts and has not ended, by its last error."""
    return await database.rows(db, "retrying_by_category")


@router.get("/health")
async def health() -> dict[str, Any]:
    """Whether each system around answers. Asked anew at most every few seconds, however many operators watch."""
    global _health
    asked_at, known = _health
    if time.monotonic() - asked_at > FRESH_SECONDS:
        found = await asyncio.gather(*(asyncio.to_thread(reachable, system) for system in CONNECTIONS))
        known = dict(zip(CONNECTIONS, found, strict=True))
        _health = time.monotonic(), known
    return known


@router.get("/systems")
async def systems(db: Db) -> list[dict[str, Any]]:
    """The dial of every outside system."""
    return await database.rows(db, "outside_systems")


class Dial(BaseModel):
    """What the dial is turned to. No limit: none."""

    model_config = ConfigDict(extra="forbid")

    document_type: Name = EVERY_TYPE
    paused: bool
    why: Annotated[str, Field(max_length=500, pattern="^[^\x00]*$")] | None = None
    most_in_flight: Annotated[int, Field(gt=0, le=100_000)] | None = None
    most_per_second: Annotated[float, Field(gt=0, le=100_000)] | None = None

    @property
    def is_plain(self) -> bool:
        """It says of the whole system whether it is paused, and no more."""
        return self.document_type == EVERY_TYPE and self.most_in_flight is None and self.most_per_second is None


@router.put("/systems/{system}", dependencies=ACT)
async def turn(system: str, dial: Dial, user: GetUserDep, db: Db) -> list[dict[str, Any]]:
    """Pause or release a system or one of its document types, set its limits; the dial as it then is."""
    if dial.paused and not dial.why:
        raise HTTPException(422, "say why it is paused: the next operator will want to know")
    if system in set(System) - {System.THUNDERHEAD} and not dial.is_plain:
        raise HTTPException(422, "limits and document types are Thunderhead's alone: no job asks for others")
    changed = await database.rows(db, "turn_dial", system=system, actor=actor(user), **dial.model_dump())
    if not changed:
        raise HTTPException(404, "there is no such system")
    return await _turned(db, user, f"{system} {dial.model_dump_json()}")


@router.delete("/systems/{system}", dependencies=ACT)
async def remove(system: str, document_type: Name, user: GetUserDep, db: Db) -> list[dict[str, Any]]:
    """A document type has no dial of its own any more; the dial as it then is. That of all types stays."""
    if not await database.rows(db, "remove_dial", system=system, document_type=document_type):
        raise HTTPException(404, "there is no such dial of a document type")
    return await _turned(db, user, f"{system} {document_type} removed")


async def _turned(db: Db, user: GetUserDep, what: str) -> list[dict[str, Any]]:
    """Airflow's audit log keeps who did it, and the jobs look again."""
    await asyncio.to_thread(audit, user.get_name(), "oms.dial", what)
    for job in Job:
        await database.rows(db, "wake", job=job)
    return await systems(db)
