"""/v1/source-system-quotas: how much a source system may hand in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import TypeAdapter

from include.services.reference_data.caching import cacheable
from include.services.reference_data.models import Key, NewSourceSystemQuota, SourceSystemQuota
from include.services.reference_data.parameters import On
from include.services.reference_data.row_routes import add_row_routes
from include.services.reference_data.rows import Rows

_LIST = TypeAdapter(list[SourceSystemQuota])


def quota_routes(rows: Rows, may_write: Callable[[Request], None]) -> APIRouter:
    """The routes of these rows. ``may_write`` refuses callers that may only read."""
    router = APIRouter(prefix="/v1/source-system-quotas")

    @router.get("")
    async def everything(request: Request) -> Response:
        found = await rows.select("select_source_system_quotas")
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    @router.get("/search")
    async def search(
        request: Request, source_system: Annotated[Key, Query(alias="sourceSystem")], on: On = None
    ) -> Response:
        found = await rows.select("search_source_system_quotas", source_system=source_system, on=on)
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    add_row_routes(router, rows, row=SourceSystemQuota, new_row=NewSourceSystemQuota, may_write=may_write)
    return router
