"""What does not add up: a sentence a kind, the numbers whole, the list bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_LISTED = 100  # of each kind; the numbers are whole


class Kind(StrEnum):
    """What kind of thing does not add up."""

    NOT_ACCEPTED = "NOT_ACCEPTED"  # a request that nobody took in
    END_WITHOUT_EVENT = "END_WITHOUT_EVENT"  # a client will never hear of it
    EVENT_WITHOUT_END = "EVENT_WITHOUT_END"  # a client heard of an end that never was
    EVENT_SET_ASIDE = "EVENT_SET_ASIDE"  # the broker refused it for good: a client has not heard
    IN_NOBODYS_HANDS = "IN_NOBODYS_HANDS"  # under way, and nothing will move it on
    UNKNOWN_THERE = "UNKNOWN_THERE"  # Thunderhead does not know a batch it accepted
    DIFFERS = "DIFFERS"  # Thunderhead says otherwise of a batch
    ORPHAN = "ORPHAN"  # Thunderhead has a batch under our name that OMS does not know
    DOUBLE = "DOUBLE"  # Thunderhead has more than one batch of one name: a customer may get two letters


@dataclass(frozen=True)
class Discrepancy:
    """One thing that does not add up."""

    kind: Kind
    request_id: int
    batch_name: str | None
    detail: str


@dataclass
class Discrepancies:
    """All of them: the numbers whole, the list bounded."""

    numbers: Counter[Kind] = field(default_factory=Counter)
    listed: list[Discrepancy] = field(default_factory=list)

    def add(self, found: Iterable[Discrepancy]) -> None:
        """Note these."""
        for it in found:
            if self.numbers[it.kind] < MOST_LISTED:
                self.listed.append(it)
            self.numbers[it.kind] += 1

    def merge(self, others: Discrepancies) -> None:
        """Note what others have noted."""
        self.listed += others.listed
        self.numbers += others.numbers

    def __bool__(self) -> bool:
        return bool(self.numbers)
