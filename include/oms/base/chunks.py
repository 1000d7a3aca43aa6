"""Pieces of a list: what is sent, or written, some at a time. (itertools.batched comes with Python 3.12.)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``items`` in pieces of ``size``; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
