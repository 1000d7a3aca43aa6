"""The tab on a task instance and on a DAG run: its requests, and what a clear will do."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query

from include.oms.base import database
from include.oms.words.model import Job
from plugins.oms_console.database import Db
from plugins.oms_console.rights import READ

MOST_SHOWN = 500  # of all groups together, those that a clear drives first
MAPPED_TASKS = {Job.PROCESSING: "process_slice", Job.MONITORING: "poll_slice"}

NOTHING: dict[str, Any] = {
    "job": None, "slices": [], "requests": [], "sums": [], "in_all": 0, "to_clear": 0, "slices_to_clear": 0,
    "elsewhere": 0, "clearing": [],
}  # fmt: skip

router = APIRouter(dependencies=READ)

Word = Annotated[str, Query(max_length=250)]


@router.get("/slices")
async def slices(db: Db, dag_id: Word, run_id: Word, task_id: Word = "", map_index: Word = "") -> dict[str, Any]:
    """The slices of a task instance, or of a whole run where none is named, with their requests."""
    found = await database.rows(db, "slices_of_task", job=dag_id, dag_run_id=run_id, map_index=_index(map_index))
    if not found and dag_id not in set(Job):
        return NOTHING
    if dag_id in set(Job) and task_id and not _is_placeholder(task_id) and task_id != MAPPED_TASKS[Job(dag_id)]:
        return NOTHING | {"job": dag_id}
    ids = [row["slice_id"] for row in found]
    (mine,) = await database.rows(db, "requests_of_slices", slice_ids=ids, limit=MOST_SHOWN)
    named = {row["request_id"]: row for row in mine["requests"]}
    by_group: Counter[str] = Counter()
    for row in mine["sums"]:
        by_group[row["group"]] += row["number"]
    rows = {row["request_id"]: row for row in await database.rows(db, "list_requests", request_ids=list(named))}
    cleared = await database.rows(db, "what_clearing_does", slice_ids=ids)
    by_stage: Counter[str] = Counter()
    for row in cleared:
        by_stage[row["stage"]] += row["number"]
    return {
        "job": dag_id,
        "slices": found,
        "requests": [rows[request_id] | more for request_id, more in named.items()],
        "sums": mine["sums"],
        "in_all": by_group.total(),
        "to_clear": by_stage.total(),
        "slices_to_clear": len({row["slice_id"] for row in cleared}),
        "elsewhere": by_group["elsewhere"],
        "clearing": [{"stage": stage, "number": number} for stage, number in sorted(by_stage.items())],
    }


def _is_placeholder(text: str) -> bool:
    """Whether it is Airflow's placeholder, which arrives if Airflow has no value."""
    return text.startswith("{")


def _index(text: str) -> int | None:
    """The map index; None for a run, a whole task, or Airflow's -1."""
    if not text or _is_placeholder(text) or text == "-1":
        return None
    if not text.isdecimal() or len(text) > 9:
        raise HTTPException(422, "map_index is no number")
    return int(text)
