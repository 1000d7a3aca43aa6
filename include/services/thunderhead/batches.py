"""The contract's routes: submit, look up, errors, document."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from include.services.answers import json_answer, problem
from include.services.thunderhead.control import Fate
from include.services.thunderhead.fates import fate_of, request_of
from include.services.thunderhead.ledger import DOCUMENT_IDS_FROM, Batch, Ledger
from include.services.thunderhead.misbehaviour import Answer, Misbehaviour
from include.services.thunderhead.rendering import Renderer

MOST_IDS = 100
LARGEST_ID = 2**63 - 1


class Submit(msgspec.Struct):
    """The body of POST /v1/batches."""

    batchName: Annotated[str, msgspec.Meta(max_length=100)]
    batchConfigId: str
    payload: str


_DECODER = msgspec.json.Decoder(Submit)


class Batches:
    """The routes, over a ledger."""

    def __init__(self, ledger: Ledger, renderer: Renderer, misbehaviour: Misbehaviour) -> None:
        self._ledger = ledger
        self._renderer = renderer
        self._misbehaviour = misbehaviour

    def routes(self) -> list[Route]:
        """For Starlette."""
        return [
            Route("/v1/batches", self.submit, methods=["POST"]),
            Route("/v1/batches", self.look_up),
            Route("/v1/batches/{batch_id}", self.batch),
            Route("/v1/batches/{batch_id}/errors", self.errors),
            Route("/v1/documents/{document_id}", self.document),
        ]

    async def submit(self, request: Request) -> Answer:
        """Make a new batch for each submit, also if the name exists already."""
        try:
            submit = _DECODER.decode(await request.body())
        except msgspec.ValidationError as error:
            return problem(422, f"Not a submit: {error}.")
        except (ValueError, RecursionError) as error:
            return problem(400, f"The body is no JSON: {error}.")
        if failure := self._misbehaviour.before_submit():
            return failure
        fate = self._fate(submit)
        if fate.status == "REJECTED":
            return problem(422, fate.description)
        if fate.status == "UNAVAILABLE":
            return problem(503, fate.description, {"Retry-After": "1"})
        made = self._make(submit, fate).told()
        return self._misbehaviour.after_submit(made) or json_answer(made, 202)

    async def look_up(self, request: Request) -> Answer:
        """Batches by ids or by name."""
        ids, name = request.query_params.get("batchIds"), request.query_params.get("batchName")
        if (ids is None) == (name is None):
            return problem(400, "Give either batchIds or batchName.")
        if failure := self._misbehaviour.before_lookup():
            return failure
        if name is not None:
            content = {"batches": [self._told(batch) for batch in self._ledger.by_name(name)]}
            return self._misbehaviour.after_lookup(content) or json_answer(content)
        batch_ids = _ids(ids or "")
        if batch_ids is None:
            return problem(400, f"batchIds must be 1 to {MOST_IDS} integers, with commas between them.")
        content = {"batches": [self._told(batch) for batch in self._ledger.by_ids(batch_ids)]}
        return self._misbehaviour.after_lookup(content, by_ids=True) or json_answer(content)

    async def batch(self, request: Request) -> Answer:
        """One batch."""
        batch = self._find(request.path_params["batch_id"])
        if batch is None:
            return problem(404, "No such batch.")
        content = self._told(batch)
        return self._misbehaviour.before_lookup() or self._misbehaviour.after_lookup(content) or json_answer(content)

    async def errors(self, request: Request) -> Answer:
        """The errors of a failed batch; an empty list if it has not failed."""
        batch = self._find(request.path_params["batch_id"])
        if batch is None:
            return problem(404, "No such batch.")
        failed = batch.status == "FAILED"
        content = {"errors": [{"category": batch.category, "description": batch.description}] if failed else []}
        return self._misbehaviour.before_lookup() or self._misbehaviour.after_lookup(content) or json_answer(content)

    async def document(self, request: Request) -> Response:
        """The PDF of a completed batch."""
        batch = self._find(request.path_params["document_id"], DOCUMENT_IDS_FROM)
        if batch is None or batch.status != "COMPLETED":
            return problem(404, "No such document.")
        file = await self._renderer.document(batch)
        if file is None:
            return problem(404, "This document was accepted unseen and cannot be rendered.")
        return FileResponse(file, media_type="application/pdf", filename=f"{batch.batch_name}.pdf")

    def _told(self, batch: Batch) -> dict[str, Any]:
        """The contract's Batch; the document id of some comes late, as told."""
        told = batch.told()
        return told | {"dmsDocumentId": None} if self._misbehaviour.keeps_document_id(batch) else told

    def _fate(self, submit: Submit) -> Fate:
        """The fate of this submit. A fate with a maximum number counts how often it was used."""
        fate = fate_of(submit.batchName, submit.batchConfigId, submit.payload, self._misbehaviour.control)
        if fate.first_n is None:
            return fate
        tries = self._ledger.count_try(request_of(submit.batchName), fate.model_dump_json())
        return fate if tries <= fate.first_n else Fate(status="COMPLETED")

    def _make(self, submit: Submit, fate: Fate) -> Batch:
        completes, fails = fate.status == "COMPLETED", fate.status == "FAILED"
        rendering = "WAITING" if self._misbehaviour.control.rendering else "ON_DEMAND"
        batch = self._ledger.add(
            submit.batchName,
            submit.batchConfigId,
            submit.payload,
            generation_seconds=self._misbehaviour.generation_seconds(fate.generation_seconds),
            end_status=fate.status,
            category=fate.category if fails else None,
            description=fate.description if fails else None,
            rendering=rendering if completes else None,
        )
        if batch.rendering == "WAITING":
            self._renderer.wake()
        return batch

    def _find(self, text: str, offset: int = 0) -> Batch | None:
        """The batch that a path names; None if there is none, or if the path holds no id."""
        ids = _ids(text)
        found = self._ledger.by_ids([ids[0] - offset]) if ids else []
        return found[0] if found else None


def _ids(text: str) -> list[int] | None:
    """Parse a comma-separated list of ids; None if it has too many or anything else. Ids beyond 64 bits are dropped."""
    parts = text.split(",", MOST_IDS)
    if len(parts) > MOST_IDS or not all(part.isascii() and part.removeprefix("-").isdigit() for part in parts):
        return None
    return [int(part) for part in parts if len(part) <= 19 and int(part) <= LARGEST_ID]
