"""The rate limit of an outside system, shared by all slices.

Every slice takes places in one line (``outside_systems.next_call_at``), for a second's worth of calls at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.outside.breaker import System

EVERY_TYPE = "*"


async def calls_per_second(connection: AsyncConnection[DictRow], system: System) -> float | None:
    """The lowest rate limit of ``system`` and its document types, calls a second; None if there is none."""
    (row,) = await database.rows(connection, "lowest_rate", system=system)
    return None if row["rate"] is None else float(row["rate"])


async def places_in_line(
    connection: AsyncConnection[DictRow], system: System, document_types: Sequence[str]
) -> list[float]:
    """When each of these calls may be made, in seconds from now, in their order.

    A call keeps to the rate of its own document type and to that of the whole system.
    """
    lines = Counter(document_types) + Counter({EVERY_TYPE: len(document_types)})
    taken = await database.rows(
        connection, "take_places", system=system, document_types=list(lines), numbers=list(lines.values())
    )
    ahead = {row["document_type"]: float(row["first_in"]) for row in taken}
    gaps = {row["document_type"]: float(row["gap"]) for row in taken}
    places = []
    for document_type in document_types:
        mine = [line for line in (document_type, EVERY_TYPE) if line in ahead]
        places.append(max((ahead[line] for line in mine), default=0.0))
        for line in mine:
            ahead[line] += gaps[line]
    return places
