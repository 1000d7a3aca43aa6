"""Bulk operations, as the client that asked for one sees it."""

from __future__ import annotations

from typing import Any

from include.oms.intake.database import Database
from include.oms.intake.finding import LARGEST_ID, Shown
from include.oms.intake.refusals import NotFound


def operation(database: Database, source_system: str, operation_id: int) -> Shown:
    """One operation, with its progress. Raises NotFound."""
    mine: dict[str, Any] = {"operation_id": operation_id, "source_system": source_system}
    rows = database.rows("operation_of_client", **mine) if operation_id <= LARGEST_ID else []
    if not rows:
        raise NotFound("there is no such operation")
    return rows[0]
