"""The daily reconciliations as pages: what was compared, and what does not add up."""

from __future__ import annotations

from datetime import date
from typing import Any

from fastapi import APIRouter, HTTPException
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.upkeep.discrepancies import MOST_LISTED, Kind
from include.oms.upkeep.reconciliation import WHAT_IS_COUNTED
from include.oms.upkeep.window import Window
from plugins.oms_console.database import Db
from plugins.oms_console.rights import READ

MOST_DAYS = 100

router = APIRouter(prefix="/reconciliations", dependencies=READ)


@router.get("")
async def days(db: Db) -> list[DictRow]:
    """The newest reconciliations, each with its figures."""
    return await database.rows(db, "reconciliations", limit=MOST_DAYS)


@router.get("/{day}")
async def one(day: date, db: Db) -> dict[str, Any]:
    """The reconciliation of a UTC day: the figures with their names, and the first discrepancies of each kind."""
    rows = await database.rows(db, "reconciliation_of", **Window.of_day(day).values())
    if not rows:
        raise HTTPException(404, "this day has no reconciliation")
    return rows[0] | {
        "names": WHAT_IS_COUNTED,
        "kinds": {kind: rows[0]["counts"].get(kind) for kind in Kind if kind in rows[0]["kinds"]},
        "most_listed": MOST_LISTED,
    }
