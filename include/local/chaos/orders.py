"""The orders of a chaos run: the demo's sample requests, many times over, some with a fate of their own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from include.local.demo.sample import FILE

# Share of the requests, the magic value for the simulator (None: no fault), the end that such a request must have.
FATES: tuple[tuple[float, str | None, str], ...] = (
    (0.868, None, "COMPLETED"),
    (0.05, "TRANSIENT", "COMPLETED"),
    (0.002, "UNAVAILABLE_ONCE", "COMPLETED"),  # one 503 with Retry-After
    (0.02, "FAILED_PROCESSING", "FAILED"),  # transient by its category, again and again: its attempts run out
    (0.02, "FAILED_VALIDATION", "FAILED"),
    (0.02, "REJECTED", "FAILED"),
    (0.02, "STOPPED", "STOPPED"),
)
SINGLE_SHARE = 0.3  # of the calls; the others are bulk calls
MOST_IN_BULK = 60
SENT_TWICE_SHARE = 0.05  # of the calls: the client repeats a call that was answered


@dataclass(frozen=True)
class Order:
    """One request to be handed in, and the end that it must have, whatever is broken meanwhile."""

    source_system: str
    request: dict[str, Any]
    expected: str

    @property
    def key(self) -> tuple[str, str]:
        """Its key before it has an id: source system and correlation id."""
        return self.source_system, self.request["request_correlation_id"]


@dataclass(frozen=True)
class Parcel:
    """The orders of one call to the intake, all of one source system."""

    orders: tuple[Order, ...]
    is_bulk: bool
    is_sent_twice: bool


def parcels(requests: int, seed: int) -> list[Parcel]:
    """``requests`` orders in calls of one or many; the same for the same seed."""
    chance = Random(f"orders {seed}")  # noqa: S311 - repeatable on purpose
    waiting: dict[str, list[Order]] = {}
    for order in _orders(requests, seed, chance):
        waiting.setdefault(order.source_system, []).append(order)
    cut = [parcel for orders in waiting.values() for parcel in _cut(orders, chance)]
    chance.shuffle(cut)
    return cut


def _orders(requests: int, seed: int, chance: Random) -> Iterator[Order]:
    lines = [json.loads(line) for line in FILE.read_text(encoding="utf-8").splitlines()]
    samples = [line for line in lines if "sandbox" not in line["request"]["document_content"]]
    shares = [share for share, _, _ in FATES]
    for number in range(1, requests + 1):
        line = chance.choice(samples)
        [(_, fate, expected)] = chance.choices(FATES, shares)
        content = line["request"]["document_content"] | ({"sandbox": fate} if fate else {})
        named = {"request_correlation_id": f"CHAOS-{seed}-{number:05}", "document_content": content}
        yield Order(line["source_system"], line["request"] | named, expected)


def _cut(orders: list[Order], chance: Random) -> Iterator[Parcel]:
    while orders:
        is_bulk = chance.random() >= SINGLE_SHARE
        size = chance.randint(2, MOST_IN_BULK) if is_bulk else 1
        yield Parcel(tuple(orders[:size]), is_bulk, chance.random() < SENT_TWICE_SHARE)
        orders = orders[size:]
