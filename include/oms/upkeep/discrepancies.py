"""Discrepancies that the reconciliation finds: the numbers are complete, the list is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_LISTED = 100  # discrepancies of each kind; the numbers count all


class Kind(StrEnum):
    """The kinds of discrepancies."""

    NOT_ACCEPTED = "NOT_ACCEPTED"  # a request without ACCEPTED in its timeline
    END_WITHOUT_EVENT = "END_WITHOUT_EVENT"  # an end without a final event: its client is not told
    EVENT_WITHOUT_END = "EVENT_WITHOUT_END"  # a final event without an end in the timeline
    EVENT_SET_ASIDE = "EVENT_SET_ASIDE"  # an event could not be published: its client is not told the end
    IN_NOBODYS_HANDS = "IN_NOBODYS_HANDS"  # a PROCESSING request that neither a slice nor Thunderhead has
    RUN_WITHOUT_EVENT = "RUN_WITHOUT_EVENT"  # a run has completed, and its client is not told
    RUN_DIFFERS = "RUN_DIFFERS"  # a completed run has not the requests that its event counts
    UNKNOWN_THERE = "UNKNOWN_THERE"  # Thunderhead does not know a batch that it accepted
    DIFFERS = "DIFFERS"  # Thunderhead has another status for a batch
    ORPHAN = "ORPHAN"  # Thunderhead has a batch under our name that OMS does not know
    DOUBLE = "DOUBLE"  # Thunderhead has several batches of one name: a customer may get two letters


@dataclass(frozen=True)
class Discrepancy:
    """One discrepancy."""

    kind: Kind
    request_id: int | None  # None: it is about a run
    batch_name: str | None
    detail: str


@dataclass
class Discrepancies:
    """All discrepancies: complete numbers, and a bounded list."""

    numbers: Counter[Kind] = field(default_factory=Counter)
    listed: list[Discrepancy] = field(default_factory=list)

    def add(self, found: Iterable[Discrepancy]) -> None:
        """Add these discrepancies; list the first of each kind, count all."""
        for it in found:
            if self.numbers[it.kind] < MOST_LISTED:
                self.listed.append(it)
            self.numbers[it.kind] += 1

    def merge(self, others: Discrepancies) -> None:
        """Add all of another collection."""
        self.listed += others.listed
        self.numbers += others.numbers

    def __bool__(self) -> bool:
        return bool(self.numbers)
