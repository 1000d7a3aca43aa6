"""Retrigger a whole selection of requests: count them, drive them at a rate, return a result for each.

Count and retrigger use the same query (``select_requests``), so the requests counted are the requests retriggered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from time import monotonic

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from include.oms.base import database
from include.oms.ending.retrigger import retrigger_requests
from include.oms.operators.selection import Selected, Selection, pages
from include.oms.outside.pace import Pace
from include.oms.words.errors import OmsError
from include.oms.words.model import ENDS, Category, Status

COUNTED_A_PAGE = 2000
CHUNKS_A_SECOND = 5  # few statements, and still an even stream of requests
MOST_A_CHUNK = 200


class Answer(StrEnum):
    """The result for one request."""

    RETRIGGERED = "retriggered"
    HEALED = "healed already"  # it is COMPLETED
    NOT_ENDED = "not ended"  # it is still being worked: there is nothing to do
    WITHDRAWN = "withdrawn by its client"
    NOT_SELECTED = "not in the selection"  # its id was given, but another filter of the selection excludes it
    NOT_FOUND = "not found"


@dataclass(frozen=True)
class Result:
    """The answer for one request: its id, or the given correlation id if no request has it."""

    request: str
    answer: Answer


class OutOfTime(OmsError):
    """The time for one run is over, and some requests are not retriggered yet."""


@dataclass(frozen=True)
class Count:
    """The number of requests in a selection, by (status, stage, category), and the database's time of the count."""

    by_kind: dict[tuple[str, str, str], int]
    counted_at: datetime

    @property
    def total(self) -> int:
        """The number of all requests in the selection."""
        return sum(self.by_kind.values())


async def count_selection(connection: AsyncConnection[DictRow], selection: Selection) -> Count:
    """Count the requests of a selection. Nothing is changed."""
    (clock,) = await database.rows(connection, "database_time")
    kinds: Counter[tuple[str, str, str]] = Counter()
    async for page in pages(connection, ended_before(selection, clock["at"]), page_size=COUNTED_A_PAGE):
        kinds.update((it.status, it.stage, it.category or "no error kept") for it in page)
    return Count(dict(sorted(kinds.items())), clock["at"])


def ended_before(selection: Selection, instant: datetime) -> Selection:
    """The same selection without requests that ended after ``instant``: none can join between count and retrigger."""
    earliest = min(selection.ended_to or instant, instant)
    return selection.model_copy(update={"ended_to": earliest})


async def retrigger_selection(
    connection: AsyncConnection[DictRow],
    selection: Selection,
    *,
    actor: str,
    per_second: float,
    most: int,
    max_seconds: float,
) -> AsyncIterator[list[Result]]:
    """Retrigger the selection, at ``per_second`` requests a second and for at most ``most`` requests.

    Yields the results of each chunk when it is done. At the end, yields a result for each request that the selection
    names by id and that was not retriggered. A second call does no harm.
    Raises OutOfTime after ``max_seconds``, and psycopg.Error.
    """
    started_at, pace, met = monotonic(), Pace(per_second), set[int]()
    chunk_size = min(max(int(per_second / CHUNKS_A_SECOND), 1), MOST_A_CHUNK, most or 1)
    async for page in pages(connection, selection, page_size=chunk_size):
        chunk = page[: most - len(met)]
        if not chunk:
            break
        if monotonic() - started_at > max_seconds:
            raise OutOfTime(
                f"stopped after {max_seconds:.0f} s with {len(met)} requests done; the others are unchanged"
            )
        await pace.wait_for(len(chunk))
        yield await _drive(connection, chunk, actor)
        met.update(it.request_id for it in chunk)
    async for results in _left_alone(connection, selection, met):
        yield results


async def _drive(connection: AsyncConnection[DictRow], chunk: list[Selected], actor: str) -> list[Result]:
    """Retrigger these requests. Look up again those that somebody else has retriggered in the meantime."""
    ids = [it.request_id for it in chunk]
    driven = set(await retrigger_requests(connection, ids, actor=actor))
    results = [Result(str(request_id), Answer.RETRIGGERED) for request_id in ids if request_id in driven]
    if others := [request_id for request_id in ids if request_id not in driven]:
        async for page in pages(connection, Selection(request_ids=tuple(others)), page_size=len(others)):
            results += map(_why_not, page)
    return results


async def _left_alone(
    connection: AsyncConnection[DictRow], selection: Selection, met: set[int]
) -> AsyncIterator[list[Result]]:
    """The reason for each request that was named by id and was not retriggered."""
    named = Selection(
        request_ids=selection.request_ids,
        correlation_ids=selection.correlation_ids,
        source_system=selection.source_system if selection.correlation_ids else None,
    )
    if named.request_ids is None and named.correlation_ids is None:
        return
    found: set[int | str] = set()
    async for page in pages(connection, named, page_size=COUNTED_A_PAGE):
        found.update(it.request_id if named.request_ids else it.request_correlation_id for it in page)
        yield [_why_not(it) for it in page if it.request_id not in met]
    asked: Iterable[int | str] = named.request_ids or named.correlation_ids or ()
    yield [Result(str(it), Answer.NOT_FOUND) for it in dict.fromkeys(asked) if it not in found]


def _why_not(it: Selected) -> Result:
    if it.status == Status.COMPLETED:
        answer = Answer.HEALED
    elif it.status not in ENDS:
        answer = Answer.NOT_ENDED
    elif it.status == Status.STOPPED and it.category == Category.CANCELLED:
        answer = Answer.WITHDRAWN
    else:
        answer = Answer.NOT_SELECTED
    return Result(str(it.request_id), answer)
