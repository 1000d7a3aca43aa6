"""The user who cleared a task instance, from Airflow's audit log; the worker does not know it."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from airflow.models.log import Log
from airflow.utils.session import create_session
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

CLEARED = "airflow:clear"
EVENTS = ("post_clear_task_instances", "clear_dag_run")
# A cleared run may wait for a free slot before its worker writes the entry.
LONGEST_WAIT = timedelta(hours=1)

log = logging.getLogger(__name__)


def name_who_cleared(timeline: list[dict[str, Any]]) -> None:
    """Write the user's name into timeline entries that a clear made; if the audit log has it no more, none."""
    entries = [entry for entry in timeline if entry["actor"] == CLEARED and entry["dag_run_id"]]
    try:
        for entry in entries:
            if name := _who(entry["job"], entry["dag_run_id"], datetime.fromisoformat(entry["at"])):
                entry["actor"] = f"airflow:{name}, by clearing"
    except SQLAlchemyError as error:
        log.warning("the audit log cannot be read: %s", type(error).__name__)


def _who(dag_id: str, run_id: str, at: datetime) -> str | None:
    """The last user who cleared something of this run before that moment."""
    found = (
        select(Log.owner)
        .where(Log.event.in_(EVENTS), Log.dag_id == dag_id, Log.dttm.between(at - LONGEST_WAIT, at))
        .where((Log.run_id == run_id) | Log.extra.contains(run_id, autoescape=True))
        .order_by(Log.dttm.desc())
        .limit(1)
    )
    with create_session() as session:
        return session.scalar(found)
