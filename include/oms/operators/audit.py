"""The audit trail: every action of a person, in a table that nobody can change.

It holds neither payloads nor metadata values. Of a filter by metadata, only the keys are kept.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database


class Door(StrEnum):
    """The way that a person used for an action."""

    CONSOLE = "console"
    DAG = "dag"  # document_retrigger
    CLEAR = "clear"  # Airflow's own button
    API = "api"  # the intake


async def keep_action(
    connection: AsyncConnection[DictRow],
    *,
    actor: str,
    door: Door,
    action: str,
    subject: str | None = None,
    request_id: int | None = None,
    number: int | None = None,
    reason: str | None = None,
    before: Any = None,
    after: Any = None,
) -> int:
    """Store one action in the transaction of the caller. Return its id."""
    (row,) = await database.rows(
        connection,
        "keep_action",
        actor=actor,
        door=door,
        action=action,
        subject=subject,
        request_id=request_id,
        number=number,
        reason=reason,
        before=None if before is None else json.dumps(before, default=str),
        after=None if after is None else json.dumps(after, default=str),
    )
    return int(row["action_id"])


def run_subject(dag_id: str, run_id: str) -> str:
    """The name of a DAG run in the audit trail."""
    return f"{dag_id}/{run_id}"
