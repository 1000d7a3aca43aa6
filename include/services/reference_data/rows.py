"""Effective-dated rows: make, change, end. The same rules for both kinds; their SQL is in the two files beside this.

Source: contracts/reference-data.openapi.yaml, description.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow
from pydantic import BaseModel

from include.oms.base.queries import load
from include.services.reference_data.database import Pool

_sql = load(__package__ or "")


@dataclass(frozen=True)
class Kind:
    """One kind of rows: the names of its queries."""

    select: str
    lock: str
    select_in_the_way: str
    end_older: str
    insert: str
    update: str
    end: str


REFERENCE_DATA = Kind(
    select="select_reference_data",
    lock="lock_reference_data",
    select_in_the_way="select_reference_data_in_the_way",
    end_older="end_older_reference_data",
    insert="insert_reference_data",
    update="update_reference_data",
    end="end_reference_data",
)
DOCUMENT_CONFIGURATIONS = Kind(
    select="select_document_configuration",
    lock="lock_document_configuration",
    select_in_the_way="select_document_configuration_in_the_way",
    end_older="end_older_document_configuration",
    insert="insert_document_configuration",
    update="update_document_configuration",
    end="end_document_configuration",
)


class NotThere(Exception):
    """There is no such row."""


class Refused(Exception):
    """The row, or one beside it, does not allow this. The message says which and why."""


class Rows:
    """One kind of rows."""

    def __init__(self, pool: Pool, kind: Kind) -> None:
        self._pool = pool
        self._kind = kind

    async def select(self, query: str, **values: Any) -> list[DictRow]:
        """What a query of this package finds."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(_sql[query], values)).fetchall()

    async def get(self, row_id: int) -> DictRow:
        """One row. Raises NotThere."""
        found = await self.select(self._kind.select, id=row_id)
        if not found:
            raise NotThere
        return found[0]

    async def create(self, new: BaseModel) -> DictRow:
        """A new row; an older one that it overlaps ends where it begins. Raises Refused where that cannot be."""
        values = new.model_dump(by_alias=False)
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_sql[self._kind.lock], values)
            found = await connection.execute(_sql[self._kind.select_in_the_way], values)
            if obstacle := await found.fetchone():
                raise Refused(_why(obstacle))
            await connection.execute(_sql[self._kind.end_older], values)
            made = await (await connection.execute(_sql[self._kind.insert], values)).fetchone()
            assert made is not None
            return made

    async def change(self, row_id: int, new: BaseModel) -> DictRow:
        """Change a row. Raises NotThere; Refused where it is not editable. An overlap is the database's to refuse."""
        return await self._write(self._kind.update, row_id, new.model_dump(by_alias=False))

    async def end(self, row_id: int) -> None:
        """End a row today; one that has ended stays as it is. Raises NotThere; Refused where it is not editable."""
        await self._write(self._kind.end, row_id, {})

    async def _write(self, query: str, row_id: int, values: dict[str, Any]) -> DictRow:
        written = await self.select(query, id=row_id, **values)
        if written:
            return written[0]
        await self.get(row_id)
        raise Refused(f"Row {row_id} is not editable.")


def _why(obstacle: DictRow) -> str:
    reason = f"begins later, on {obstacle['effect_from_dat']}" if obstacle["editable"] else "is not editable"
    return f"It would overlap row {obstacle['id']}, which {reason}."
