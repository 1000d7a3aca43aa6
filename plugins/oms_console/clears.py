"""Record clears by Airflow's own Clear button in the audit trail at once, with the user's name.

The worker of a cleared task instance cannot know who that was, and Airflow forgets its own log after some weeks.
"""

from __future__ import annotations

import json
import logging
import re
from typing import Any
from urllib.parse import unquote

from airflow.api_fastapi.app import get_auth_manager
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from include.oms.base import database as oms_database
from include.oms.base.chunks import chunks
from include.oms.base.settings import settings
from include.oms.operators.audit import Door, keep_action, run_subject
from include.oms.operators.bulk_operations import Action, count_selection, create_operation, narrowed
from include.oms.operators.selection import MOST_NAMED, Selection
from include.oms.words.model import Job
from plugins.oms_console import database

log = logging.getLogger(__name__)

CLEAR = re.compile(r"/api/v2/dags/(?P<dag>[^/]+)/(?:clearTaskInstances|dagRuns/(?P<run>[^/]+)/clear)$")
MARK = re.compile(
    r"/api/v2/dags/(?P<dag>[^/]+)/dagRuns/(?P<run>[^/]+)(?:/taskInstances/(?P<task>[^/]+)(?:/(?P<index>\d{1,9}))?)?$"
)
TOKEN_COOKIE = "_token"  # noqa: S105 - its name, as airflow.api_fastapi.auth.managers.base_auth_manager has it


def is_clear(scope: Any) -> bool:
    """Whether this call is a clear of one of our jobs."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    found = CLEAR.search(scope["path"])
    return found is not None and found["dag"] in set(Job)


def is_mark(scope: Any) -> bool:
    """Whether this call sets the state of a run of our jobs, or of a task instance."""
    if scope["type"] != "http" or scope["method"] != "PATCH":
        return False
    found = MARK.search(scope["path"])
    return found is not None and found["dag"] in set(Job)


async def resolve_marked(scope: Any, body: bytes) -> None:
    """Resolve the red requests of what somebody has marked as success, with the note as the reason.

    It is a bulk operation: many wait for a second person. The mark itself is done, so no error here may fail the call.
    """
    try:
        said, found = json.loads(body), MARK.search(scope["path"])
        if not found or "success" not in (said.get("new_state"), said.get("state")):
            return
        actor = f"airflow:{await _user_name(Headers(scope=scope))}"
        run_id = unquote(found["run"])
        index = None if found["index"] is None else int(found["index"])
        url = await database.database_url()
        async with await oms_database.connect(url, settings(), application_name="oms-clears") as connection:
            values = {"job": found["dag"], "dag_run_id": run_id, "map_index": index}
            slices = await oms_database.rows(connection, "slices_of_task", **values)
            ids = [
                row["request_id"]
                for a_slice in slices
                for row in await oms_database.rows(connection, "ended_by_slice", slice_id=a_slice["slice_id"])
            ]
            for some in chunks(ids, MOST_NAMED):
                chosen = narrowed(Action.RESOLVE, Selection(request_ids=tuple(some)))
                if not chosen or not (counted := await count_selection(connection, chosen)).total:
                    continue
                await create_operation(
                    connection, Action.RESOLVE, chosen, counted,
                    subject=f"marked as success: {run_subject(found['dag'], run_id)}",
                    actor=actor, door=Door.CLEAR, reason=said.get("note") or "marked as success in Airflow",
                    approval_above=settings().bulk_approval_above,
                )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the mark has been set
        log.warning("what was marked as success could not be resolved: %s", type(error).__name__)


async def keep_clear(scope: Any, body: bytes) -> None:
    """Record who cleared what. The clear itself is done, so no error here may fail the call."""
    try:
        said = json.loads(body)
        if said.get("dry_run", True) or not (found := CLEAR.search(scope["path"])):
            return
        run_id = found["run"] or said.get("dag_run_id")
        name = await _user_name(Headers(scope=scope))
        url = await database.database_url()
        async with await oms_database.connect(url, settings(), application_name="oms-clears") as connection:
            await keep_action(
                connection,
                actor=f"airflow:{name}",
                door=Door.CLEAR,
                action="clear",
                subject=run_subject(found["dag"], str(run_id)),
                reason=said.get("note") or None,
                after=_what(said),
            )
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the clear has been done
        log.warning("a clear could not be recorded in the audit trail: %s", type(error).__name__)


def _what(said: dict[str, Any]) -> dict[str, Any]:
    """The task instances that were cleared; the whole run if none is named."""
    tasks = said.get("task_ids") or []
    indexes = [task[1] for task in tasks if isinstance(task, list) and len(task) > 1]
    only = {"only_failed": said.get("only_failed"), "tasks": [it[0] if isinstance(it, list) else it for it in tasks]}
    return only | ({"map_indexes": indexes} if indexes and len(indexes) == len(tasks) else {})


async def _user_name(headers: Headers) -> str:
    bearer = headers.get("authorization", "").removeprefix("Bearer ").strip()
    token = bearer or cookie_parser(headers.get("cookie", "")).get(TOKEN_COOKIE, "")
    user = await get_auth_manager().get_user_from_token(token)
    return str(user.get_name())
