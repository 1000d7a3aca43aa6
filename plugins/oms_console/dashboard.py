"""The dashboard: counts by status over time, the oldest request of each state, red requests, health."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Literal

from fastapi import APIRouter

from include.oms.base import database
from include.oms.base.settings import settings
from plugins.oms_console.database import Db
from plugins.oms_console.outside import CONNECTIONS, reachable
from plugins.oms_console.rights import READ, GetUserDep, may

router = APIRouter(dependencies=READ)

RANGES = {"1h": (60, 60), "6h": (72, 300), "24h": (96, 900), "7d": (84, 7200)}
"""Steps, and the length of each in seconds."""

FRESH_SECONDS = 5.0
_health: tuple[float, dict[str, Any]] = (0.0, {})


@router.get("/me")
def me(user: GetUserDep) -> dict[str, Any]:
    """The user, what the pages may offer to that user, and how many requests the user may act on alone."""
    return {"name": user.get_name(), "may": may(user), "alone": settings().bulk_approval_above}


@router.get("/dashboard")
async def dashboard(db: Db, over: Literal["1h", "6h", "24h", "7d"] = "6h") -> dict[str, Any]:
    """Current counts, requests accepted and ended over time, and the outside systems, in one call."""
    steps, step_seconds = RANGES[over]
    answers = asyncio.create_task(health())
    return {
        "stock": {row["state"]: row for row in await database.rows(db, "stock")},
        "step_seconds": step_seconds,
        "steps": await database.rows(db, "ends_over_time", steps=steps, step_seconds=step_seconds),
        "clients": await database.rows(db, "ends_by_client", steps=steps, step_seconds=step_seconds),
        "quotas": await database.rows(db, "quota_usage", **_default_quotas()),
        "red": await database.rows(db, "red_by_category"),
        "outbox": await database.rows(db, "outbox_by_topic"),
        "systems": await database.rows(db, "outside_systems"),
        "health": await answers,
    }


def _default_quotas() -> dict[str, int]:
    own = settings()
    return {
        "most_open_requests": own.quota_open_requests,
        "most_requests_an_hour": own.quota_requests_an_hour,
        "most_bytes_an_hour": own.quota_bytes_an_hour,
    }


@router.get("/retrying")
async def retrying(db: Db) -> list[dict[str, Any]]:
    """Open requests that have spent attempts, by their last error."""
    return await database.rows(db, "retrying_by_category")


@router.get("/health")
async def health() -> dict[str, Any]:
    """Whether each outside system accepts connections. The result is kept for a few seconds, for all operators."""
    global _health
    asked_at, known = _health
    if time.monotonic() - asked_at > FRESH_SECONDS:
        found = await asyncio.gather(*(asyncio.to_thread(reachable, system) for system in CONNECTIONS))
        known = dict(zip(CONNECTIONS, found, strict=True))
        _health = time.monotonic(), known
    return known
