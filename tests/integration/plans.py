"""Reading PostgreSQL's plans, as EXPLAIN (FORMAT JSON) tells them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The plan's steps."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)
