"""/v1/document-schemas: the JSON Schema that the content of a document must satisfy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from include.services.reference_data.caching import cacheable
from include.services.reference_data.models import DocumentSchema, Key, ListedDocumentSchema, NewDocumentSchema
from include.services.reference_data.parameters import On
from include.services.reference_data.row_routes import add_row_routes
from include.services.reference_data.rows import Rows

_LISTED = TypeAdapter(list[ListedDocumentSchema])
_LIST = TypeAdapter(list[DocumentSchema])


def schema_routes(rows: Rows, may_write: Callable[[Request], None]) -> APIRouter:
    """The routes of these rows. ``may_write`` refuses callers that may only read."""
    router = APIRouter(prefix="/v1/document-schemas")

    @router.get("")
    async def everything(request: Request) -> Response:
        found = await rows.select("select_document_schemas")
        return cacheable(request, _LISTED.dump_json(_LISTED.validate_python(found)))

    @router.get("/search")
    async def search(
        request: Request, document_name: Annotated[Key, Query(alias="documentName")], on: On = None
    ) -> Response:
        found = await rows.select("search_document_schemas", document_name=document_name, on=on)
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    add_row_routes(router, rows, row=DocumentSchema, new_row=NewDocumentSchema, may_write=may_write)
    return router
