"""Personal data: shown on request only, to users who may act, with an entry in the timeline for each look."""

from __future__ import annotations

import asyncio
from typing import Literal

import httpx
from fastapi import APIRouter, HTTPException, Response
from psycopg.rows import DictRow
from pydantic import BaseModel, ConfigDict

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.operators.selection import LARGEST_ID
from plugins.oms_console.audit import audit
from plugins.oms_console.database import Db
from plugins.oms_console.rights import ACT, GetUserDep, actor

router = APIRouter(dependencies=ACT)

QUERIES = {"json": "look_at_content", "metadata": "look_at_metadata", "xml": "look_at_xml", "pdf": "look_at_document"}
MEDIA_TYPES = {"json": "application/json", "metadata": "application/json", "xml": "application/xml"}
HEADERS = {"Cache-Control": "no-store", "Content-Disposition": "attachment"}


class Look(BaseModel):
    """The part of a request that a user asks to see."""

    model_config = ConfigDict(extra="forbid")

    what: Literal["json", "metadata", "xml", "pdf"]


@router.post("/requests/{request_id}/looks")
async def look(request_id: int, asked: Look, user: GetUserDep, db: Db) -> Response:
    """The content itself: what was sent, what Thunderhead got, or the document."""
    if not 0 < request_id <= LARGEST_ID:
        raise HTTPException(404, "there is no such request")
    async with db.transaction():
        rows = await database.rows(db, QUERIES[asked.what], request_id=request_id, actor=actor(user))
        if rows:
            await audit(db, user, "look", request_id=request_id, subject=asked.what)
    if asked.what == "pdf":
        return await _document(rows)
    if not rows:
        raise HTTPException(404, "there is nothing: never made, or erased at the end of its retention")
    return Response(rows[0]["content"], media_type=MEDIA_TYPES[asked.what], headers=HEADERS)


async def _document(rows: list[DictRow]) -> Response:
    if not rows:
        raise HTTPException(404, "no document has been made for this request yet")
    content = await asyncio.to_thread(_fetch, rows[0]["dms_document_id"])
    return Response(content, media_type="application/pdf", headers=HEADERS)


def _fetch(document_id: int) -> bytes:
    """The PDF out of Thunderhead. Raises HTTPException 502."""
    from plugins.oms_console.outside import base_url_and_headers

    url, headers = base_url_and_headers("thunderhead_api")
    patience = settings().poll_timeout_seconds
    try:
        # trust_env: no proxy of the environment for a system inside the network.
        answer = httpx.get(f"{url}/v1/documents/{document_id}", headers=headers, timeout=patience, trust_env=False)
    except httpx.HTTPError as error:
        raise HTTPException(502, f"Thunderhead does not answer: {type(error).__name__}") from error
    if answer.status_code != 200 or not answer.content.startswith(b"%PDF"):
        raise HTTPException(502, f"Thunderhead answered {answer.status_code} instead of the document")
    return answer.content
