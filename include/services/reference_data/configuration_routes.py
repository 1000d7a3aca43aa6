"""/v1/document-configurations: the configuration of documents."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from include.services.reference_data.caching import cacheable
from include.services.reference_data.models import DocumentConfiguration, Key, NewDocumentConfiguration
from include.services.reference_data.parameters import On
from include.services.reference_data.row_routes import add_row_routes
from include.services.reference_data.rows import Rows

_LIST = TypeAdapter(list[DocumentConfiguration])


def configuration_routes(rows: Rows, may_write: Callable[[Request], None]) -> APIRouter:
    """The routes of these rows. ``may_write`` refuses callers that may only read."""
    router = APIRouter(prefix="/v1/document-configurations")

    @router.get("")
    async def everything(request: Request) -> Response:
        found = await rows.select("select_document_configurations")
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    @router.get("/search")
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

    add_row_routes(router, rows, row=DocumentConfiguration, new_row=NewDocumentConfiguration, may_write=may_write)
    return router
