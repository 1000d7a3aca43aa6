"""/v1/document-configurations: the configuration of documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import TypeAdapter

from include.services.reference_data.caching import cacheable, is_expected
from include.services.reference_data.models import DocumentConfiguration, Key, NewDocumentConfiguration
from include.services.reference_data.parameters import On, RowId
from include.services.reference_data.rows import Rows

PATH = "/v1/document-configurations"

_LIST = TypeAdapter(list[DocumentConfiguration])


def configuration_routes(rows: Rows, may_write: Callable[[Request], None]) -> APIRouter:
    """The routes of these rows. ``may_write`` refuses callers that may only read."""
    writing = [Depends(may_write)]
    router = APIRouter(prefix=PATH)

    @router.get("")
    async def everything(request: Request) -> Response:
        found = await rows.select("select_document_configurations")
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    @router.post("", dependencies=writing)
    async def create(request: Request, new: NewDocumentConfiguration) -> Response:
        row = DocumentConfiguration.model_validate(await rows.create(new, by=request.state.writer))
        headers = {"Location": f"{PATH}/{row.id}"}
        return Response(row.model_dump_json(), 201, headers, media_type="application/json")

    @router.get("/search")  # must be before /{row_id}, which would match it
    async def search(
        request: Request,
        document_name: Annotated[Key, Query(alias="documentName")],
        footer_id: Annotated[Key, Query(alias="footerId")] = "0",
        code: Key | None = None,
        on: On = None,
    ) -> Response:
        wanted = {"document_name": document_name, "footer_id": footer_id, "code": code, "on": on}
        found = await rows.select("search_document_configurations", **wanted)
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    @router.get("/{row_id}")
    async def one(request: Request, row_id: RowId) -> Response:
        row = DocumentConfiguration.model_validate(await rows.get(row_id))
        return cacheable(request, row.model_dump_json().encode())

    @router.put("/{row_id}", dependencies=writing)
    async def change(request: Request, row_id: RowId, new: NewDocumentConfiguration) -> Response:
        changed = await rows.change(row_id, new, is_expected(request, DocumentConfiguration), by=request.state.writer)
        return Response(DocumentConfiguration.model_validate(changed).model_dump_json(), media_type="application/json")

    @router.delete("/{row_id}", dependencies=writing)
    async def end(request: Request, row_id: RowId) -> Response:
        await rows.end(row_id, is_expected(request, DocumentConfiguration), by=request.state.writer)
        return Response(status_code=204)

    return router
