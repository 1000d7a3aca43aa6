"""Search for requests, and the page of one request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from psycopg import AsyncConnection
from psycopg.rows import DictRow
from pydantic import AwareDatetime, ValidationError

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.operators.selection import FIRST_PAGE, LARGEST_ID, Order, Place, Selected
from include.oms.words.names import trimmed
from include.oms.words.problems import PROBLEMS
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db, connection
from plugins.oms_console.filters import Filter, chosen
from plugins.oms_console.rights import READ, GetUserDep, may
from plugins.oms_console.sheets import csv_lines

PAGE = 50
MOST_COUNTED = 10_000
EXPORT_PAGE = 1000

router = APIRouter(dependencies=READ)

BEGUN_SHOWN = 20


def the_place(
    order: Order = Order.NEWEST,
    after: Annotated[int | None, Query(gt=0, le=LARGEST_ID)] = None,
    ended_at: AwareDatetime | None = None,
) -> Place:
    """Where the page begins. ``after`` and ``ended_at`` are what the page before has answered."""
    if order is Order.ENDED and (after is None) != (ended_at is None):
        raise HTTPException(422, "a page in the order of the ends begins after a request and its end")
    return Place(order, after, ended_at)


PageBegins: TypeAlias = Annotated[Place, Depends(the_place)]


def the_filter(request: Request, user: GetUserDep) -> Filter:
    """The filter out of the query string. Metadata is personal data, and so is asking by it."""
    said = {key: value for key, value in request.query_params.items() if key in Filter.model_fields}
    try:
        wanted = Filter.model_validate(said | {"status": request.query_params.getlist("status")})
    except ValidationError as error:
        faults = "; ".join(f"{fault['loc'][0]}: {fault['msg']}" for fault in error.errors())
        raise HTTPException(422, faults) from error
    if wanted.personal and not may(user)["act"]:
        raise HTTPException(403, f"searching by {wanted.personal} needs the right to clear task instances")
    return wanted


Wanted: TypeAlias = Annotated[Filter, Depends(the_filter)]


@router.get("/requests")
async def search(wanted: Wanted, place: PageBegins, user: GetUserDep, request: Request, db: Db) -> dict[str, Any]:
    """A page of requests in an order, and where the next page begins.

    Metadata is personal data: a search by it is kept in the audit trail, but not its refreshes.
    """
    if wanted.personal and "if-none-match" not in request.headers:
        await audit(db, user, f"search_by_{wanted.personal}", subject=wanted.in_words())
    found = await chosen(db, wanted, limit=PAGE + 1, place=place)
    items = await listed(db, found[:PAGE])
    last = found[PAGE - 1] if len(found) > PAGE else None
    is_by_end = place.order is Order.ENDED
    following = {"after": last.request_id} | ({"ended_at": last.ended_at} if is_by_end else {}) if last else None
    return {"items": items, "next": following}


async def listed(db: AsyncConnection[DictRow], found: list[Selected]) -> list[DictRow]:
    """What a list shows of these requests, in their order."""
    rows = await database.rows(db, "list_requests", request_ids=[it.request_id for it in found])
    by_id = {row["request_id"]: row for row in rows}
    return [by_id[it.request_id] for it in found if it.request_id in by_id]


@router.get("/requests/total")
async def total(wanted: Wanted, db: Db) -> dict[str, Any]:
    """Count the requests of the filter, up to a bound."""
    found = await chosen(db, wanted, limit=MOST_COUNTED + 1)
    return {"number": min(len(found), MOST_COUNTED), "is_bound": len(found) > MOST_COUNTED}


@router.get("/find")
async def find(db: Db, q: Annotated[str, Query(min_length=1, max_length=300)]) -> dict[str, Any]:
    """What a pasted text is, as filters of the search: ids and names that exist, or else those that begin with it."""
    text = trimmed(q)
    number = int(text) if text.isdecimal() and int(text) <= LARGEST_ID else None
    (found,) = await database.rows(db, "what_is_it", text=text, number=number)
    kinds = [kind for kind, is_one in found.items() if is_one]
    begun = [] if kinds else await database.rows(db, "what_begins_with", text=text, digits=number, limit=BEGUN_SHOWN)
    return {"kinds": kinds, "text": text, "begins": begun}


@router.get("/failures")
async def failures(user: GetUserDep, request: Request, db: Db) -> list[dict[str, Any]]:
    """The requests that need a person, in groups: by the cause in their last error, document and client.

    A cause is the error's text without numbers and quotations. It may still be personal data: only users who may act
    see it, and the audit trail keeps that they looked, but not the page's refreshes.
    """
    acts = may(user)["act"]
    if acts and "if-none-match" not in request.headers:
        await audit(db, user, "look_at_failures")
    return await database.rows(db, "failures", with_text=acts)


@router.get("/problems/{name}")
def a_problem(name: str) -> dict[str, Any]:
    """The meaning of an error category or of a problem of the intake."""
    if name not in PROBLEMS:
        raise HTTPException(404, "there is no such problem")
    return asdict(PROBLEMS[name]) | {"page": PROBLEMS[name].page(settings().problems_url)}


@router.get("/requests.csv")
async def export(wanted: Wanted, user: GetUserDep, db: Db) -> StreamingResponse:
    """Export all requests of the filter as CSV, without payload and metadata.

    The audit trail keeps who exported what.
    """
    await audit(db, user, "export", subject=wanted.in_words())
    headers = {"Content-Disposition": 'attachment; filename="oms-requests.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(csv_lines(_all(wanted)), media_type="text/csv; charset=utf-8", headers=headers)


async def _all(wanted: Filter) -> AsyncIterator[list[DictRow]]:
    """Page by page, on a connection of its own: the call's own is closed before the body is sent."""
    async for db in connection():
        place = FIRST_PAGE
        while found := await chosen(db, wanted, limit=EXPORT_PAGE, place=place):
            yield await listed(db, found)
            place = Place(request_id=found[-1].request_id)


@router.get("/requests/{request_id}")
async def page(request_id: int, db: Db) -> Any:
    """One request without its personal data, and the meaning of each of its errors."""
    if not 0 < request_id <= LARGEST_ID:
        raise HTTPException(404, "there is no such request")
    rows = await database.rows(db, "request_page", request_id=request_id)
    if not rows:
        raise HTTPException(404, "there is no such request")
    shown = rows[0]["request"]
    categories = {error["category"] for error in shown["errors"]}
    return shown | {"help": {name: _help(name) for name in categories if name in PROBLEMS}}


def _help(category: str) -> dict[str, str]:
    problem = PROBLEMS[category]
    page = problem.page(settings().problems_url)
    return {"title": problem.title, "meaning": problem.meaning, "what_to_do": problem.what_to_do, "page": page}
