"""/v1/reference-data: the values that OMS accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from fastapi import APIRouter, Request, Response
from pydantic import TypeAdapter

from include.services.answers import problem
from include.services.reference_data.caching import cacheable
from include.services.reference_data.models import NewReferenceData, RefDataType, ReferenceData
from include.services.reference_data.parameters import On
from include.services.reference_data.row_routes import add_row_routes
from include.services.reference_data.rows import Rows

_LIST = TypeAdapter(list[ReferenceData])


def reference_data_routes(rows: Rows, may_write: Callable[[Request], None]) -> APIRouter:
    """The routes of these rows. ``may_write`` refuses callers that may only read."""
    router = APIRouter(prefix="/v1/reference-data")

    @router.get("/type/{ref_data_type}")
    async def in_force(request: Request, ref_data_type: str, on: On = None) -> Response:
        if ref_data_type not in get_args(RefDataType):
            return problem(404, f"There is no such type. The types are {', '.join(get_args(RefDataType))}.")
        found = await rows.select("select_reference_data_in_force", ref_data_type=ref_data_type, on=on)
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    add_row_routes(router, rows, row=ReferenceData, new_row=NewReferenceData, may_write=may_write)
    return router
