"""The finished document of a request, for its client: from Thunderhead, through the one door, whole or not at all.

A document is read as a whole and checked before its first byte goes to the client. So a document that Thunderhead cuts
off is a problem answer, and a client that reads slowly holds no connection to Thunderhead. See
docs/decisions/0020-a-document-is-read-before-it-is-sent.md.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import aiohttp
import psycopg
import structlog

from include.oms.base import database as jobs_database
from include.oms.base.limits import CONNECT_TIMEOUT_SECONDS
from include.oms.base.loop_thread import LoopThread
from include.oms.base.settings import Settings
from include.oms.intake.accepting import Caller
from include.oms.intake.database import Database
from include.oms.intake.finding import LARGEST_ID, get
from include.oms.intake.refusals import (
    DatabaseOutOfReach,
    DocumentNotReady,
    DocumentUnusable,
    Erased,
    NotFound,
    ThunderheadOutOfReach,
)
from include.oms.outside.breaker import System
from include.oms.outside.documents import number_of_pages
from include.oms.outside.door import Door
from include.oms.outside.thunderhead import Thunderhead
from include.oms.outside.transport import http_transport
from include.oms.words.errors import NotInTime, Rejected, Unavailable
from include.oms.words.model import Status

FETCH_SECONDS = 20.0  # the turn and the call; the gateway ends a call after 35 s

log = structlog.get_logger()


@dataclass(frozen=True)
class Document:
    """A finished PDF. ``content`` is None if the client has it already."""

    request_id: int
    document_name: str
    sha256: bytes
    content: bytes | None


@dataclass(frozen=True)
class _Way:
    """The open way to Thunderhead."""

    thunderhead: Thunderhead
    opened: AsyncExitStack


class Documents:
    """Fetches documents for the threads of one process. The door runs on the loop of ``loop_thread``."""

    def __init__(self, settings: Settings, loop_thread: LoopThread) -> None:
        self._settings = settings
        self._loop_thread = loop_thread
        self._opening = asyncio.Lock()
        self._way: _Way | None = None

    def fetch(self, document_id: int, document_type: str) -> bytes:
        """A whole PDF. Raises Unavailable, NotInTime, Rejected, DatabaseOutOfReach."""
        try:
            return self._loop_thread.run(self._fetch(document_id, document_type), seconds=FETCH_SECONDS)
        except TimeoutError as error:
            raise NotInTime("the document did not come in time") from error

    def close(self) -> None:
        """Tell the other callers what the door met, and close its connections."""
        if self._way:
            self._loop_thread.run(self._leave(self._way), seconds=FETCH_SECONDS)

    async def _fetch(self, document_id: int, document_type: str) -> bytes:
        """Ask twice if the door's database connection is lost: it may have broken long before this call."""
        try:
            return await self._fetch_once(document_id, document_type)
        except psycopg.OperationalError:
            try:
                return await self._fetch_once(document_id, document_type)
            except psycopg.OperationalError as error:
                raise DatabaseOutOfReach("the OMS Database does not answer in time") from error

    async def _fetch_once(self, document_id: int, document_type: str) -> bytes:
        way = await self._open()
        try:
            return await way.thunderhead.document(document_id, document_type=document_type)
        except psycopg.OperationalError:
            await self._leave(way)
            raise

    async def _open(self) -> _Way:
        """The way to Thunderhead, opened at the first call."""
        settings = self._settings
        async with self._opening:
            if self._way is None:
                async with AsyncExitStack() as stack:
                    connection = await stack.enter_async_context(
                        await jobs_database.connect(settings.database_url, settings, application_name="oms-intake door")
                    )
                    session = await stack.enter_async_context(_session(settings))
                    transport = http_transport(session, settings.thunderhead_url)
                    door = Door(System.THUNDERHEAD, transport, connection, settings)
                    self._way = _Way(Thunderhead(door, settings), stack.pop_all())
            return self._way

    async def _leave(self, way: _Way) -> None:
        """Close this way. The next call opens another one."""
        if self._way is way:
            self._way = None
        try:
            await way.thunderhead.door.tell()
        except psycopg.Error:
            log.warning("door_not_told")  # the other callers find out by themselves
        finally:
            await way.opened.aclose()


def document(database: Database, documents: Documents, caller: Caller, request_id: int, known: set[bytes]) -> Document:
    """The document of a COMPLETED request; without its content if its SHA-256 is one of ``known``.

    Each fetch is an entry of the timeline, stored before the client gets the first byte. Raises NotFound,
    DocumentNotReady, Erased, ThunderheadOutOfReach, DocumentUnusable, DatabaseOutOfReach.
    """
    found = _completed(database, caller, request_id)
    learnt = found["document_sha256"]
    if learnt is not None and bytes(learnt) in known:
        return Document(request_id, found["document_name"], bytes(learnt), None)
    try:
        content = documents.fetch(found["dms_document_id"], found["document_type"])
    except Rejected as error:
        log.warning("document_unusable", request_id=request_id, reason=str(error))
        raise DocumentUnusable("Thunderhead does not give the whole document") from error
    except (Unavailable, NotInTime) as error:
        wait = getattr(error, "retry_after", None)
        raise ThunderheadOutOfReach("Thunderhead gives no documents at the moment", wait) from error
    sha256 = hashlib.sha256(content).digest()
    is_news = learnt is None or bytes(learnt) != sha256
    if is_news and learnt is not None:
        log.warning("document_changed", request_id=request_id)
    noted = database.rows(
        "note_document_fetched", request_id=request_id, batch_key=found["batch_key"], actor=caller.actor,
        sha256=sha256, size=len(content), pages=number_of_pages(content) if is_news else None,
    )  # fmt: skip
    if not noted:
        raise Erased("the request was erased at the end of its retention")
    return Document(request_id, found["document_name"], sha256, None if sha256 in known else content)


def _completed(database: Database, caller: Caller, request_id: int) -> Any:
    """The request's row with its document's. Raises NotFound, Erased, DocumentNotReady."""
    mine: dict[str, Any] = {"request_id": request_id, "source_system": caller.source_system}
    rows = database.rows("document_of_request", **mine) if request_id <= LARGEST_ID else []
    if not rows:
        raise NotFound("there is no such request")
    (row,) = rows
    if row["is_erased"]:
        raise Erased("the request was erased at the end of its retention")
    if row["status"] != Status.COMPLETED or row["dms_document_id"] is None:
        shown = get(database, caller.source_system, request_id)
        raise DocumentNotReady(f"the request is {shown['status']} at {shown['stage']}", shown)
    return row


def _session(settings: Settings) -> aiohttp.ClientSession:
    token = settings.thunderhead_token.get_secret_value().strip()
    return aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}", "Accept-Encoding": "identity"},
        connector=aiohttp.TCPConnector(limit=settings.concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_SECONDS),
    )
