"""The figures of a part of the bench. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Figure:
    """One line of the table. ``beside`` is the limit that it is compared with, measured in the same run."""

    what: str
    ours: str
    beside: str = ""
    ratio: str = ""
    aim: str = ""
    is_met: bool | None = None  # None: no aim is set


@dataclass(frozen=True)
class Section:
    """The figures of one part, and the sentences that say how they were measured."""

    title: str
    how: str
    figures: Sequence[Figure]


def paired_ratio(ours: Sequence[float], beside: Sequence[float]) -> float:
    """Median of the rounds' ratios. A disturbance affects both sides of its round."""
    return median(a / b for a, b in zip(ours, beside, strict=True))


def spread(values: Sequence[float]) -> str:
    """The range from the lowest to the highest value, to read beside a median."""
    return f"{min(values):.2f} to {max(values):.2f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share (0 to 1) of all values does not exceed; nearest rank."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(share * len(ranked)))]
