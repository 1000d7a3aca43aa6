"""Rules that cut due work into slices and name the slices. They need no database."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from include.oms.base.chunks import chunks
from include.oms.ending.final_status import End

ALL = "*"
MAX_TAKEOVERS = 5  # workers in a row that may die with a request before it ends FAILED
SMALLER_BY = 8  # factor, for each worker that died
SMALLEST_AFTER = 8  # deaths; the size does not shrink after them


@dataclass(frozen=True)
class DueRequest:
    """A request that can be claimed now. ``deaths`` counts the workers in a row that died while they held it."""

    request_id: int
    source_system: str
    document_type: str
    worker_died: bool  # the last one that held it
    deaths: int


def with_room(
    due: Sequence[DueRequest], room: Mapping[str, int], room_of_systems: Mapping[str, int] = MappingProxyType({})
) -> list[DueRequest]:
    """The first requests of ``due`` that Thunderhead has room for.

    ``room`` is by document type, ``room_of_systems`` by source system; what has no room there has no limit.
    """
    of_types, of_systems = Counter[str](), Counter[str]()
    admitted: list[DueRequest] = []
    for request in due[: room.get(ALL)]:
        if of_types[request.document_type] >= room.get(request.document_type, len(due)):
            continue
        if of_systems[request.source_system] >= room_of_systems.get(request.source_system, len(due)):
            continue
        of_types[request.document_type] += 1
        of_systems[request.source_system] += 1
        admitted.append(request)
    return admitted


def cut_requests(due: Sequence[DueRequest], *, slice_size: int, limit: int) -> list[list[DueRequest]]:
    """Cut ``due``, in its order, into slices of ``slice_size``; ``limit`` is the most that the claim may take.

    Requests whose worker died get slices of their own. With each death the slices become eight times smaller, so that a
    request that kills its worker is soon alone. They get at most as many slices as ``limit`` has whole slices.
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
    """The label that Airflow's grid shows. ``systems`` has the number of requests by source system."""
    if number == 1:
        return f"request {first_id}" + (f" of {next(iter(systems))}" if systems else "")
    label = f"{number} requests, {first_id} to {last_id}"
    return f"{label}: {', '.join(f'{n} {system}' for system, n in sorted(systems.items()))}" if systems else label


def label_of_red_ends(ends: Sequence[End], size: int) -> str:
    """The label of a slice with requests that need a person: how many of ``size``, and most of them for what."""
    statuses = Counter(end.status for end in ends)
    reasons = Counter(" ".join(filter(None, (end.category, end.document_name))) for end in ends)
    ended = ", ".join(f"{n:,} {status}" for status, n in statuses.most_common())
    (most, _), more = reasons.most_common(1)[0], len(reasons) - 1
    return f"{ended}: {most or 'no error kept'}{f' and {more} more' if more else ''} (of {max(size, len(ends)):,})"


def label_of_requests(requests: Sequence[DueRequest]) -> str:
    """The label of a slice of document_processing."""
    ids = [request.request_id for request in requests]
    return slice_label(len(ids), min(ids), max(ids), Counter(request.source_system for request in requests))


def label_of_batches(request_ids: Collection[int]) -> str:
    """The label of a slice of document_monitoring."""
    return slice_label(len(request_ids), min(request_ids), max(request_ids))
