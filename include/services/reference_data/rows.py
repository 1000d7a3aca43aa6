"""Effective-dated rows: create, change, end. All kinds follow the same rules; their SQL is in the .sql files here.

Source: contracts/reference-data.openapi.yaml, description.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg.rows import DictRow
from pydantic import BaseModel

from include.oms.base.queries import load
from include.services.reference_data.database import Pool

_sql = load(__package__ or "")

IsExpected = Callable[[DictRow], bool]


@dataclass(frozen=True)
class Kind:
    """One kind of rows: the names of its queries."""

    select: str
    hold: str
    lock: str
    select_in_the_way: str
    end_older: str
    insert: str
    update: str
    end: str


REFERENCE_DATA = Kind(
    select="select_reference_data",
    hold="hold_reference_data",
    lock="lock_reference_data",
    select_in_the_way="select_reference_data_in_the_way",
    end_older="end_older_reference_data",
    insert="insert_reference_data",
    update="update_reference_data",
    end="end_reference_data",
)
DOCUMENT_CONFIGURATIONS = Kind(
    select="select_document_configuration",
    hold="hold_document_configuration",
    lock="lock_document_configuration",
    select_in_the_way="select_document_configuration_in_the_way",
    end_older="end_older_document_configuration",
    insert="insert_document_configuration",
    update="update_document_configuration",
    end="end_document_configuration",
)
DOCUMENT_SCHEMAS = Kind(
    select="select_document_schema",
    hold="hold_document_schema",
    lock="lock_document_schema",
    select_in_the_way="select_document_schema_in_the_way",
    end_older="end_older_document_schema",
    insert="insert_document_schema",
    update="update_document_schema",
    end="end_document_schema",
)
SOURCE_SYSTEM_QUOTAS = Kind(
    select="select_source_system_quota",
    hold="hold_source_system_quota",
    lock="lock_source_system_quota",
    select_in_the_way="select_source_system_quota_in_the_way",
    end_older="end_older_source_system_quota",
    insert="insert_source_system_quota",
    update="update_source_system_quota",
    end="end_source_system_quota",
)


class NotThere(Exception):
    """There is no such row."""


class Changed(Exception):
    """The row has changed since the caller read it."""


class Refused(Exception):
    """The row, or another one, does not allow the change. The message says which row and why."""


class Rows:
    """The rows of one kind."""

    def __init__(self, pool: Pool, kind: Kind) -> None:
        self._pool = pool
        self._kind = kind

    async def select(self, query: str, **values: Any) -> list[DictRow]:
        """The rows that a query of this package finds."""
        async with self._pool.connection() as connection:
            return await (await connection.execute(_sql[query], values)).fetchall()

    async def get(self, row_id: int) -> DictRow:
        """One row. Raises NotThere."""
        found = await self.select(self._kind.select, id=row_id)
        if not found:
            raise NotThere
        return found[0]

    async def create(self, new: BaseModel, *, by: str) -> DictRow:
        """Create a row, and end an older row that it overlaps where it begins. Raises Refused if that is impossible."""
        values = new.model_dump(by_alias=False)
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_sql["write_as"], {"actor": by})
            await connection.execute(_sql[self._kind.lock], values)
            found = await connection.execute(_sql[self._kind.select_in_the_way], values)
            if obstacle := await found.fetchone():
                raise Refused(_why(obstacle))
            await connection.execute(_sql[self._kind.end_older], values)
            made = await (await connection.execute(_sql[self._kind.insert], values)).fetchone()
            assert made is not None
            return made

    async def change(self, row_id: int, new: BaseModel, is_expected: IsExpected, *, by: str) -> DictRow:
        """Change a row if it is as the caller expects it.

        Raises NotThere, Changed, and Refused if it is not editable. The database refuses overlaps (ExclusionViolation).
        """
        return await self._write(self._kind.update, row_id, new.model_dump(by_alias=False), is_expected, by)

    async def end(self, row_id: int, is_expected: IsExpected, *, by: str) -> None:
        """End a row today. A row that has ended is not changed. Raises the same errors as ``change``."""
        await self._write(self._kind.end, row_id, {}, is_expected, by)

    async def _write(
        self, query: str, row_id: int, values: dict[str, Any], is_expected: IsExpected, by: str
    ) -> DictRow:
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(_sql["write_as"], {"actor": by})
            found = await (await connection.execute(_sql[self._kind.hold], {"id": row_id})).fetchone()
            if found is None:
                raise NotThere
            if not is_expected(found):
                raise Changed
            written = await (await connection.execute(_sql[query], {"id": row_id, **values})).fetchone()
            if written is None:
                raise Refused(f"Row {row_id} is not editable.")
            return written


def _why(obstacle: DictRow) -> str:
    reason = f"begins later, on {obstacle['effect_from_dat']}" if obstacle["editable"] else "is not editable"
    return f"It would overlap row {obstacle['id']}, which {reason}."
