"""Rights in the console: Airflow's login and permissions, nothing of our own.

read   may read the task instances of both jobs (in the simple auth manager: viewer)
act    may clear them, which is the retrigger (user); who may act may see personal data, too
edit   may change Airflow's Variables: the nearest permission for reference data (op)

Without a session every route answers 401, without the permission 403.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, VariableDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from fastapi import Depends, HTTPException

from include.oms.words.model import Job

__all__ = ["ACT", "EDIT", "READ", "GetUserDep", "actor", "may"]


def _on_both_jobs(method: Any) -> list[Any]:
    return [Depends(_on(job, method)) for job in Job]


def _on(job: Job, method: Any) -> Callable[[GetUserDep], None]:
    """Airflow's check of one DAG, as a dependency that needs only the user of the call."""
    check: Any = requires_access_dag(method=method, access_entity=DagAccessEntity.TASK_INSTANCE, param_dag_id=job)

    def allowed(user: GetUserDep) -> None:
        check(None, user)

    return allowed


READ = _on_both_jobs("GET")
ACT = _on_both_jobs("PUT")


def _may_edit(user: GetUserDep) -> None:
    if not get_auth_manager().is_authorized_variable(method="PUT", user=user, details=VariableDetails()):
        raise HTTPException(403, "Forbidden")


EDIT = [Depends(_may_edit)]


def may(user: GetUserDep) -> dict[str, bool]:
    """The rights of this user, for the pages. The routes check again. Blocks: it asks Airflow's database."""
    return {"act": _passes(ACT, user), "edit": _passes(EDIT, user)}


def _passes(rights: list[Any], user: GetUserDep) -> bool:
    try:
        for right in rights:
            right.dependency(user=user)
    except HTTPException:
        return False
    return True


def actor(user: GetUserDep) -> str:
    """The user's name as the timeline has it."""
    return f"airflow:{user.get_name()}"
