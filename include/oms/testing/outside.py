"""The outside systems of the jobs, scripted: a Thunderhead and a Reference Data API on real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiohttp import web

from include.oms.base.settings import Settings
from include.oms.outside.door import Door
from include.oms.outside.rate_limit import Shared
from include.oms.outside.transport import Transport

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class FakeThunderhead:
    """Keeps every batch that was submitted. Uses each scripted answer once, then answers as the contract says."""

    batches: list[dict[str, Any]] = field(default_factory=list)
    submit_answers: list[Answer] = field(default_factory=list)  # used instead of the call's effect
    answers_after_effect: list[Answer] = field(default_factory=list)  # used after the batch was made
    poll_answers: list[Answer] = field(default_factory=list)
    document_answers: list[Answer] = field(default_factory=list)
    errors: dict[int, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    calls: Counter[str] = field(default_factory=Counter)
    always: Answer | None = None  # an outage: the answer to every call
    first_id: int = 1

    def doubled(self) -> list[str]:
        """The batch names that were submitted more than once."""
        return [name for name, n in Counter(batch["batchName"] for batch in self.batches).items() if n > 1]

    def end(self, status: str, *, where: Callable[[dict[str, Any]], bool] = lambda _: True, **errors: str) -> None:
        """End the batches that are still PROCESSING."""
        for batch in self.batches:
            if batch["status"] == "PROCESSING" and where(batch):
                batch["status"] = status
                batch["dmsDocumentId"] = batch["batchId"] + 1000 if status == "COMPLETED" else None
                if errors:
                    self.errors[batch["batchId"]].append(errors)

    async def submit(self, request: web.Request) -> web.StreamResponse:
        self.calls["submit"] += 1
        if self.always:
            return await self.always(request)
        if self.submit_answers:
            return await self.submit_answers.pop(0)(request)
        document = await request.json()
        batch = {
            "batchId": self.first_id + len(self.batches),
            "batchName": document["batchName"],
            "status": "PROCESSING",
            "dmsDocumentId": None,
        }
        self.batches.append(batch)
        if self.answers_after_effect:
            return await self.answers_after_effect.pop(0)(request)
        return web.json_response(batch, status=202)

    async def find(self, request: web.Request) -> web.StreamResponse:
        self.calls["find"] += 1
        if self.always:
            return await self.always(request)
        if self.poll_answers:
            return await self.poll_answers.pop(0)(request)
        if name := request.query.get("batchName"):
            found = [batch for batch in reversed(self.batches) if batch["batchName"] == name]
        else:
            ids = {int(batch_id) for batch_id in request.query["batchIds"].split(",")}
            found = [batch for batch in self.batches if batch["batchId"] in ids]
        return web.json_response({"batches": found})

    async def errors_of(self, request: web.Request) -> web.StreamResponse:
        self.calls["errors"] += 1
        return web.json_response({"errors": self.errors[int(request.match_info["batch_id"])]})

    async def document(self, request: web.Request) -> web.StreamResponse:
        self.calls["document"] += 1
        if self.always:
            return await self.always(request)
        if self.document_answers:
            return await self.document_answers.pop(0)(request)
        document_id = int(request.match_info["document_id"])
        return web.Response(body=f"%PDF-1.7 {document_id} %%EOF".encode(), content_type="application/pdf")

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/documents/{document_id}", self.document)
        app.router.add_post("/v1/batches", self.submit)
        app.router.add_get("/v1/batches", self.find)
        app.router.add_get("/v1/batches/{batch_id}/errors", self.errors_of)
        return app


@dataclass
class FakeReferenceData:
    """Answers every search with the same configuration, except for unknown documents and scripted answers."""

    unknown_documents: set[str] = field(default_factory=set)
    answers: dict[str, Answer] = field(default_factory=dict)  # by document name
    is_down: bool = False
    calls: int = 0

    async def search(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        if self.is_down:
            return web.json_response({"title": "down"}, status=503)
        if request.query["documentName"] in self.unknown_documents:
            return web.json_response([])
        if answer := self.answers.get(request.query["documentName"]):
            return await answer(request)
        rows = {"BATCH_CONFIG_ID": "1000", "SIGNEE_1": "Head of Operations"}
        return web.json_response([{"code": code, "value": value} for code, value in rows.items()])

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/v1/document-configurations/search", self.search)
        return app


@asynccontextmanager
async def served(app: web.Application) -> AsyncIterator[str]:
    """Serve the app on a free loopback port while the block runs. Yield its base URL."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


class OpenDoor(Door):
    """A door without a database: it shares nothing, and no call waits."""

    def __init__(self, system: str, call: Transport, settings: Settings) -> None:
        super().__init__(system, call, None, settings)  # type: ignore[arg-type]

    async def _tell_now(self, *, wants_probe: bool = False) -> Shared:
        self._shared, self._told_at = Shared(None, None, "", False, None, None, {}, frozenset()), monotonic()
        self._forget_met()
        return self._shared


def problem(status: int, headers: dict[str, str] | None = None) -> Answer:
    """An answer with a problem document."""

    async def answer(_: web.Request) -> web.StreamResponse:
        content = {"title": f"problem {status}", "status": status}
        return web.json_response(content, status=status, headers=headers, content_type="application/problem+json")

    return answer


def raw(status: int, body: bytes, content_type: str = "application/json") -> Answer:
    """An answer with these bytes."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, content_type=content_type)

    return answer


async def cut(request: web.Request) -> web.StreamResponse:
    """Abort the connection without an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(_: web.Request) -> web.StreamResponse:
    """Do not answer within any time-out of the tests."""
    await asyncio.sleep(30)
    return web.Response()
