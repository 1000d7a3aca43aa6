"""A client withdraws all of its queued requests that match: counted first, then a bulk operation."""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.operators.audit import Door
from include.oms.operators.bulk_operations import Action, count_selection, create_operation, narrowed
from include.oms.operators.selection import Selection


@dataclass(frozen=True)
class Withdrawal:
    """The queued requests that match.

    ``matches_all``: these are all queued requests of the source system, or the filter has no condition.
    ``operation_id`` is None if nothing is withdrawn.
    """

    number: int
    matches_all: bool
    needs_approval: bool
    operation_id: int | None = None


async def withdraw_all(
    connection: AsyncConnection[DictRow],
    source_system: str,
    chosen: Selection,
    *,
    actor: str,
    subject: str,
    dry_run: bool,
    confirm_all: bool,
    approval_above: int,
) -> Withdrawal:
    """Withdraw the queued requests of ``source_system`` that match ``chosen``, and no later ones.

    Only counts them with ``dry_run``, if there are none, and if they are all and ``confirm_all`` is not set. Raises
    psycopg.Error.
    """
    mine = narrowed(Action.WITHDRAW, chosen.model_copy(update={"source_system": source_system}))
    if mine is None:  # none of the statuses is QUEUED
        return Withdrawal(0, matches_all=False, needs_approval=False)
    counted = await count_selection(connection, mine)
    found = Withdrawal(
        counted.total,
        await _matches_all(connection, source_system, mine, counted.total),
        needs_approval=counted.total > approval_above,
    )
    if dry_run or not found.number or (found.matches_all and not confirm_all):
        return found
    before = min(mine.created_to or counted.counted_at, counted.counted_at)
    operation_id = await create_operation(
        connection, Action.WITHDRAW, mine.model_copy(update={"created_to": before}), counted, subject=subject,
        actor=actor, door=Door.API, reason=None, approval_above=approval_above,
    )  # fmt: skip
    return Withdrawal(found.number, found.matches_all, found.needs_approval, operation_id)


async def _matches_all(connection: AsyncConnection[DictRow], source_system: str, mine: Selection, number: int) -> bool:
    if mine == Selection(source_system=source_system, statuses=mine.statuses):
        return True
    if number < 2:  # one of one is what its client meant
        return False
    values = {"source_system": source_system, "most": number + 1}
    (row,) = await database.rows(connection, "count_queued", **values)
    return int(row["number"]) <= number
