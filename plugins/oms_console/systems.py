"""The outside systems: pauses and limits. A change names its fields and the version that the page has seen."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, HTTPException
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from include.oms.base import database
from include.oms.operators.selection import Name
from include.oms.outside.breaker import System
from include.oms.outside.rate_limit import EVERY_TYPE
from include.oms.slices.early_wake import wake_jobs
from plugins.oms_console.actions import Reason
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.problems import problem
from plugins.oms_console.rights import ACT, READ, GetUserDep, actor

router = APIRouter(dependencies=READ)

Version = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
MostInFlight: TypeAlias = Annotated[int, Field(gt=0, le=100_000)] | None
MostPerSecond: TypeAlias = Annotated[float, Field(gt=0, le=100_000)] | None
LIMITS = {"most_in_flight", "most_per_second"}


@router.get("/systems")
async def systems(db: Db) -> list[dict[str, Any]]:
    """The settings of every outside system, each with the version that a change of it has to name."""
    return await database.rows(db, "outside_systems")


class Added(BaseModel):
    """A document type that is to have settings of its own."""

    model_config = ConfigDict(extra="forbid")

    document_type: Name


class Change(BaseModel):
    """A change. A field that is left out stays as it is; a limit that is null is removed."""

    model_config = ConfigDict(extra="forbid")

    document_type: Name = EVERY_TYPE
    version: Version
    paused: bool | None = None
    why: Reason | None = None
    until: AwareDatetime | None = None
    """The end of a pause; None: somebody resumes it."""
    most_in_flight: MostInFlight = None
    most_per_second: MostPerSecond = None


@router.post("/systems/{system}", dependencies=ACT)
async def add(system: str, added: Added, user: GetUserDep, db: Db) -> list[dict[str, Any]]:
    """Add settings for a document type, without limits at first. Returns all settings."""
    if system != System.THUNDERHEAD or added.document_type == EVERY_TYPE:
        raise HTTPException(422, "only Thunderhead has settings for single document types")
    await database.rows(db, "add_document_type", system=system, document_type=added.document_type)
    await audit(db, user, "add_system_settings", subject=f"{system} {added.document_type}")
    return await _changed(db)


@router.patch("/systems/{system}", dependencies=ACT)
async def change(system: str, said: Change, user: GetUserDep, db: Db) -> Any:
    """Pause, resume or set limits. Returns all settings; 409 if somebody else has changed them meanwhile."""
    if said.paused and not said.why:
        raise HTTPException(422, "say why it is paused: the next operator will want to know")
    limits = said.model_fields_set & LIMITS
    if system != System.THUNDERHEAD and (limits or said.document_type != EVERY_TYPE):
        raise HTTPException(422, "only Thunderhead has limits and settings for single document types")
    async with db.transaction():
        before = await _settings(db, system, said.document_type)
        changed = await database.rows(
            db,
            "change_system",
            system=system,
            actor=actor(user),
            sets_in_flight="most_in_flight" in limits,
            sets_per_second="most_per_second" in limits,
            **said.model_dump(),
        )
        if not changed:
            return await _too_late(db, system, said.document_type)
        action = {True: "pause_system", False: "resume_system", None: "limit_system"}[said.paused]
        after = await _settings(db, system, said.document_type)
        subject = f"{system} {said.document_type}"
        await audit(db, user, action, subject=subject, reason=said.why, before=before, after=after)
    return await _changed(db)


@router.delete("/systems/{system}", dependencies=ACT)
async def remove(system: str, document_type: Name, version: Version, user: GetUserDep, db: Db) -> Any:
    """Remove the settings of a document type. Returns all settings."""
    async with db.transaction():
        before = await _settings(db, system, document_type)
        values = {"system": system, "document_type": document_type, "version": version}
        if not await database.rows(db, "remove_dial", **values):
            return await _too_late(db, system, document_type)
        await audit(db, user, "remove_system_settings", subject=f"{system} {document_type}", before=before)
    return await _changed(db)


class Limit(BaseModel):
    """The limits of a source system at Thunderhead: requests in flight, submits a second. Without any, it has none."""

    model_config = ConfigDict(extra="forbid")

    most_in_flight: MostInFlight = None
    most_per_second: MostPerSecond = None
    until: AwareDatetime | None = None
    """The end of the limit; None: somebody removes it."""
    version: Version | None
    """Of the limit that the page has shown; None if there was none."""


@router.get("/source-system-limits")
async def source_system_limits(db: Db) -> list[dict[str, Any]]:
    """The limits of source systems, each with the version that a change of it has to name."""
    return await database.rows(db, "source_system_limits")


@router.put("/source-system-limits/{source_system}", dependencies=ACT)
async def limit_source_system(source_system: Name, said: Limit, user: GetUserDep, db: Db) -> Any:
    """Set, change or remove the limit of a source system; all limits as they then are. 409 to a stale page."""
    values = {"source_system": source_system, **said.model_dump()}
    sets = said.most_in_flight is not None or said.most_per_second is not None
    async with db.transaction():
        before = await _limit(db, source_system)
        statement = "limit_source_system" if sets else "unlimit_source_system"
        changed = await database.rows(db, statement, **values, actor=actor(user))
        now = await _limit(db, source_system)
        if not changed:
            return problem(409, f"Somebody has changed it since you saw it. It is now {_limit_in_words(now)}.", now=now)
        await audit(db, user, "limit_source_system", subject=source_system, before=before, after=now)
    await wake_jobs(db)
    return await source_system_limits(db)


async def _limit(db: Db, source_system: str) -> dict[str, Any] | None:
    """The limit of a source system; None if it has none."""
    return next((row for row in await source_system_limits(db) if row["source_system"] == source_system), None)


def _limit_in_words(row: dict[str, Any] | None) -> str:
    if row is None:
        return "without a limit"
    until = f" until {row['until']}" if row["until"] else ""
    return f"{_most_in_words(row)}, by {row['set_by']}{until}"


def _most_in_words(row: dict[str, Any]) -> str:
    most = [row[name] or "any number" for name in ("most_in_flight", "most_per_second")]
    return f"{most[0]} in flight, {most[1]} a second"


async def _settings(db: Db, system: str, document_type: str) -> dict[str, Any] | None:
    """What operators have set for a system and document type."""
    names = ("paused_at", "paused_by", "paused_why", "paused_until", "most_in_flight", "most_per_second")
    for row in await systems(db):
        if (row["system"], row["document_type"]) == (system, document_type):
            return {name: row[name] for name in names}
    return None


async def _too_late(db: Db, system: str, document_type: str) -> Response:
    """The answer if nothing was changed: the present settings."""
    for row in await systems(db):
        if (row["system"], row["document_type"]) == (system, document_type):
            return problem(409, f"Somebody has changed it since you saw it. It is now {in_words(row)}.", now=row)
    raise HTTPException(404, "there are no such settings; somebody may have removed them")


def in_words(row: dict[str, Any]) -> str:
    """The settings of a system, for a person."""
    until = f" until {row['paused_until']}" if row["paused_until"] else ""
    paused = f"paused by {row['paused_by']} ({row['paused_why']}){until}" if row["paused_at"] else "not paused"
    return f"{paused}; {_most_in_words(row)}"


async def _changed(db: Db) -> list[dict[str, Any]]:
    """Notify the jobs; return all settings."""
    await wake_jobs(db)
    return await systems(db)
