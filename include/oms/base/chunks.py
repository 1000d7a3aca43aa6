"""Pieces of a list: what is sent, or written, some at a time. (itertools.batched comes with Python 3.12.)"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """``items`` in pieces of ``size``; the last may be shorter."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def chunks_by_size(items: Sequence[T], most: int, *, most_total: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """``items`` in pieces of at most ``most``, and ``most_total`` in size; an item that is larger comes alone."""
    piece: list[T] = []
    total = 0
    for item in items:
        if piece and (len(piece) == most or total + size_of(item) > most_total):
            yield piece
            piece, total = [], 0
        piece.append(item)
        total += size_of(item)
    if piece:
        yield piece
