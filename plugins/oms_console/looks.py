"""Personal data: shown on request only, to users who may act, with an entry in the timeline for each look."""

from __future__ import annotations

from contextlib import asynccontextmanager
from time import monotonic
from typing import Annotated, Literal, Self

from airflow.sdk.exceptions import AirflowException
from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field, model_validator

from include.oms.base import database
from include.oms.base.settings import settings
from include.oms.operators.selection import LARGEST_ID
from include.oms.words.errors import Closed, Limited, NotInTime, OmsError
from plugins.oms_console.audit import audit
from plugins.oms_console.database import connection
from plugins.oms_console.rights import ACT, GetUserDep, actor

router = APIRouter(dependencies=ACT)

QUERIES = {
    "json": "look_at_content",
    "metadata": "look_at_metadata",
    "errors": "look_at_errors",
    "xml": "look_at_xml",
    "pdf": "look_at_document",
}
OF_AN_ATTEMPT = ("xml", "pdf")
MEDIA_TYPES = {
    "json": "application/json",
    "metadata": "application/json",
    "errors": "application/json",
    "xml": "application/xml",
}
MISSING = {
    "pdf": "no document has been made for this request yet",
    "content": "there is no content: it was never made, or it was erased at the end of its retention",
}
HEADERS = {"Cache-Control": "no-store", "Content-Disposition": "attachment"}


class Look(BaseModel):
    """The part of a request that a user asks to see."""

    model_config = ConfigDict(extra="forbid")

    what: Literal["json", "metadata", "errors", "xml", "pdf"]
    attempt: Annotated[int, Field(gt=0, le=2**31 - 1)] | None = None
    """Whose XML or document; None: of the last that has one."""

    @model_validator(mode="after")
    def _of_an_attempt(self) -> Self:
        if self.attempt and self.what not in OF_AN_ATTEMPT:
            raise ValueError("an attempt has its XML and its document alone")
        return self


@router.post("/requests/{request_id}/looks")
async def look(request_id: int, asked: Look, user: GetUserDep) -> Response:
    """The payload, the metadata, the XML that Thunderhead got, or the document."""
    if not 0 < request_id <= LARGEST_ID:
        raise HTTPException(404, "there is no such request")
    of_attempt = {"attempt": asked.attempt} if asked.what in OF_AN_ATTEMPT else {}
    subject = f"{asked.what} of attempt {asked.attempt}" if asked.attempt else asked.what
    async with asynccontextmanager(connection)() as db, db.transaction():
        rows = await database.rows(db, QUERIES[asked.what], request_id=request_id, actor=actor(user), **of_attempt)
        if rows:
            await audit(db, user, "look", request_id=request_id, subject=subject)
    if not rows:
        raise HTTPException(404, MISSING["pdf" if asked.what == "pdf" else "content"])
    if asked.what == "pdf":  # the database connection is closed before, because Thunderhead may be slow
        return await _document(rows[0]["dms_document_id"])
    return Response(rows[0]["content"], media_type=MEDIA_TYPES[asked.what], headers=HEADERS)


async def _document(document_id: int) -> Response:
    """The PDF from Thunderhead, through the door that the jobs use.

    Raises HTTPException 502 for an answer that is no PDF, 503 where Thunderhead is paused, out, or busy for too long.
    """
    from include.jobs import doors  # late: the hooks take a second to import

    known = settings()
    try:
        async with doors.thunderhead(known, caller="oms-console") as thunderhead:
            thunderhead.door.until = monotonic() + known.poll_timeout_seconds  # somebody waits for it
            content = await thunderhead.document(document_id)
    except (Closed, Limited, NotInTime) as error:
        raise HTTPException(503, f"there is no document now: {error}") from error
    except OmsError as error:
        raise HTTPException(502, f"Thunderhead answered without the document: {error}") from error
    except AirflowException as error:
        raise HTTPException(502, f"the Connection thunderhead_api cannot be used: {type(error).__name__}") from error
    return Response(content, media_type="application/pdf", headers=HEADERS)
