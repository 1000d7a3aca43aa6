"""Publish the final event of a request once more, for a client that has lost it."""

from __future__ import annotations

import psycopg
from psycopg.rows import DictRow

from include.oms.base.queries import query
from include.oms.intake.accepting import Caller
from include.oms.intake.database import Database
from include.oms.intake.finding import LARGEST_ID, Shown, get
from include.oms.intake.refusals import Erased, NoEventYet, NotFound
from include.oms.intake.trail import keep
from include.oms.words.model import Job


def replay(database: Database, caller: Caller, request_id: int) -> Shown:
    """Send the newest final event to the outbox again, with the same id; the event's id and revision.

    Nothing changes if the event waits to be published already. Raises NotFound, NoEventYet, and Erased if the event is
    past its retention.
    """
    if request_id > LARGEST_ID:
        raise NotFound("there is no such request")
    event = database.transaction(lambda connection: _replay(connection, caller, request_id))
    if event["event_id"] is None:
        if event["revision"]:
            raise Erased("the event is past its retention")
        shown = get(database, caller.source_system, request_id)
        raise NoEventYet(f"the request is {shown['status']} at {shown['stage']}", shown)
    return {"request_id": request_id, "event_id": str(event["event_id"]), "revision": event["event_revision"]}


def _replay(connection: psycopg.Connection[DictRow], caller: Caller, request_id: int) -> DictRow:
    mine = {"request_id": request_id, "source_system": caller.source_system}
    if not connection.execute(query("hold_request"), mine).fetchone():
        raise NotFound("there is no such request")
    (event,) = connection.execute(query("newest_event"), mine).fetchall()
    again = {"request_ids": [request_id], "actor": caller.actor, "why": None}
    if connection.execute(query("publish_again"), again).fetchall():
        keep(connection, caller, "publish_again", request_id)
        connection.execute(query("wake"), {"job": Job.MONITORING})
    return event
