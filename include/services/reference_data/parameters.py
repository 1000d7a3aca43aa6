"""The parameters in paths and queries."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from include.services.reference_data.models import Day
from include.services.reference_data.rows import NotThere

LARGEST_ID = 2**63 - 1


def _row_id(row_id: str) -> int:
    """An id in a path. Raises NotThere for a text that cannot be an id."""
    if row_id.isascii() and row_id.isdigit() and len(row_id) < 20 and int(row_id) <= LARGEST_ID:
        return int(row_id)
    raise NotThere


On = Annotated[Day, Query()]  # the day that the caller asks for; None: today
RowId = Annotated[int, Depends(_row_id)]
