"""What a client does to its requests, in the audit trail."""

from __future__ import annotations

import psycopg
from psycopg.rows import DictRow

from include.oms.base.queries import query
from include.oms.intake.accepting import Caller


def keep(connection: psycopg.Connection[DictRow], caller: Caller, action: str, request_id: int) -> None:
    """Store one action on one request, in the transaction of the caller."""
    connection.execute(query("keep_action"), {
        "actor": caller.actor,
        "door": "api",
        "action": action,
        "subject": None,
        "request_id": request_id,
        "number": 1,
        "reason": None,
        "before": None,
        "after": None,
    })  # fmt: skip
