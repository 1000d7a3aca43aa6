"""How due work is cut into slices, and what a slice is called: rules without a database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from include.oms.base.chunks import chunks

ALL_TYPES = "*"
SMALLER_BY = 8  # a slice of requests whose worker died is so much smaller than the one that it died on
SMALLEST_AFTER = 8  # deaths; the slices do not get smaller after these


@dataclass(frozen=True)
class DueRequest:
    """A request that can be claimed now. ``deaths``: the workers in a row that died while they held it."""

    request_id: int
    source_system: str
    document_type: str
    worker_died: bool  # the last one that held it
    deaths: int


def with_room(due: Sequence[DueRequest], room: Mapping[str, int]) -> list[DueRequest]:
    """The first of ``due`` that Thunderhead may have. ``room`` is by document type; what is not in it has no limit."""
    seen = Counter[str]()
    admitted = []
    for request in due[: room.get(ALL_TYPES)]:
        seen[request.document_type] += 1
        if seen[request.document_type] <= room.get(request.document_type, len(due)):
            admitted.append(request)
    return admitted


def cut_requests(due: Sequence[DueRequest], *, slice_size: int, limit: int) -> list[list[DueRequest]]:
    """Slices of ``slice_size`` requests, in the order of ``due``; ``limit`` is what the claim may take in all.

    Requests whose worker died come in slices of their own, an eighth as large each time, so that a request that kills
    its worker is soon alone. They come in no more slices than ``limit`` allows.
    """
    by_deaths = defaultdict[int, list[DueRequest]](list)
    for request in due:
        by_deaths[request.deaths].append(request)
    slices: list[list[DueRequest]] = []
    for deaths in sorted(by_deaths):
        size = max(round(slice_size / SMALLER_BY ** min(deaths, SMALLEST_AFTER)), 1)
        parts = [list(part) for part in chunks(by_deaths[deaths], size)]
        slices += parts[: max(limit // slice_size, 1)] if deaths else parts
    return slices


def slice_label(number: int, first_id: int, last_id: int, systems: Mapping[str, int] | None = None) -> str:
    """The name that a person sees in Airflow's grid. ``systems``: how many requests are of which source system."""
    if number == 1:
        return f"request {first_id}" + (f" of {next(iter(systems))}" if systems else "")
    label = f"{number} requests, {first_id} to {last_id}"
    return f"{label}: {', '.join(f'{n} {system}' for system, n in sorted(systems.items()))}" if systems else label


def label_of_requests(requests: Sequence[DueRequest]) -> str:
    """The name of a slice of document_processing."""
    ids = [request.request_id for request in requests]
    return slice_label(len(ids), min(ids), max(ids), Counter(request.source_system for request in requests))


def label_of_batches(request_ids: Collection[int]) -> str:
    """The name of a slice of document_monitoring."""
    return slice_label(len(request_ids), min(request_ids), max(request_ids))
