"""Withdraw a request that no job has claimed yet."""

from __future__ import annotations

import psycopg
from psycopg.rows import DictRow

from include.oms.base.queries import query
from include.oms.intake.accepting import Caller
from include.oms.intake.database import Database
from include.oms.intake.finding import LARGEST_ID, Shown, get
from include.oms.intake.refusals import NotFound, TooLateToCancel
from include.oms.intake.trail import keep
from include.oms.words.model import Category, Status


def cancel(database: Database, caller: Caller, request_id: int) -> Shown:
    """End a queued request as STOPPED, with its final event; the request as it then is. Twice does no harm.

    Raises NotFound, and TooLateToCancel where a job has it or it has ended otherwise.
    """
    if request_id > LARGEST_ID:
        raise NotFound("there is no such request")
    is_cancelled = database.transaction(lambda connection: _cancel(connection, caller, request_id))
    shown = get(database, caller.source_system, request_id)
    if not is_cancelled:
        raise TooLateToCancel(f"the request is {shown['status']} at {shown['stage']}", shown)
    return shown


def _cancel(connection: psycopg.Connection[DictRow], caller: Caller, request_id: int) -> bool:
    """Whether the request is withdrawn, by this call or an earlier one."""
    mine = {"request_id": request_id, "source_system": caller.source_system}
    if not connection.execute(query("hold_request"), mine).fetchone():
        raise NotFound("there is no such request")
    (found,) = connection.execute(query("look_before_cancel"), mine).fetchall()
    if found["can_be_cancelled"]:
        connection.execute(query("end_requests"), {
            "request_ids": [request_id],
            "from_status": Status.QUEUED,
            "lease_token": None,
            "statuses": [Status.STOPPED],
            "stages": [found["stage"]],
            "categories": [Category.CANCELLED],
            "descriptions": ["withdrawn by its client"],
            "slice_id": None,
            "actor": caller.actor,
        })  # fmt: skip
        keep(connection, caller, "withdraw", request_id)
    return bool(found["can_be_cancelled"] or found["is_cancelled"])
