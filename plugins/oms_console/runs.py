"""Runs: requests that belong together, with a control total. Their hold is released as any other."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from include.oms.base import database
from include.oms.operators.selection import LARGEST_ID
from plugins.oms_console.database import Db
from plugins.oms_console.rights import READ

PAGE = 20  # the requests of each run are counted

router = APIRouter(dependencies=READ)


@router.get("/runs")
async def runs(
    db: Db, *, open_only: bool = False, before: Annotated[int, Query(gt=0, le=LARGEST_ID)] = LARGEST_ID
) -> dict[str, Any]:
    """A page of runs, newest first, and the id below which the next page starts."""
    rows = await database.rows(db, "runs", before=before, open_only=open_only, limit=PAGE + 1)
    return {"items": rows[:PAGE], "before": rows[PAGE - 1]["run_id"] if len(rows) > PAGE else None}
