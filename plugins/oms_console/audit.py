"""Actions in the console go to the audit trail, with the Airflow user's name."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.core_api.security import GetUserDep

from include.oms.operators.audit import Door, keep_action
from plugins.oms_console.database import Db
from plugins.oms_console.rights import actor


async def audit(db: Db, user: GetUserDep, action: str, **more: Any) -> None:
    """Record one action, in the transaction of the caller; ``more`` as keep_action has it."""
    await keep_action(db, actor=actor(user), door=Door.CONSOLE, action=action, **more)
