"""/v1/reference-data: the values that OMS accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from fastapi import APIRouter, Depends, Request, Response
from pydantic import TypeAdapter

from include.services.answers import problem
from include.services.reference_data.caching import cacheable, is_expected
from include.services.reference_data.models import NewReferenceData, RefDataType, ReferenceData
from include.services.reference_data.parameters import On, RowId
from include.services.reference_data.rows import Rows

PATH = "/v1/reference-data"

_LIST = TypeAdapter(list[ReferenceData])


def reference_data_routes(rows: Rows, may_write: Callable[[Request], None]) -> APIRouter:
    """The routes of these rows. ``may_write`` refuses callers that may only read."""
    writing = [Depends(may_write)]
    router = APIRouter(prefix=PATH)

    @router.post("", dependencies=writing)
    async def create(request: Request, new: NewReferenceData) -> Response:
        row = ReferenceData.model_validate(await rows.create(new, by=request.state.writer))
        headers = {"Location": f"{PATH}/{row.id}"}
        return Response(row.model_dump_json(), 201, headers, media_type="application/json")

    @router.get("/type/{ref_data_type}")
    async def in_force(request: Request, ref_data_type: str, on: On = None) -> Response:
        if ref_data_type not in get_args(RefDataType):
            return problem(404, f"There is no such type. The types are {', '.join(get_args(RefDataType))}.")
        found = await rows.select("select_reference_data_in_force", ref_data_type=ref_data_type, on=on)
        return cacheable(request, _LIST.dump_json(_LIST.validate_python(found)))

    @router.get("/{row_id}")
    async def one(request: Request, row_id: RowId) -> Response:
        row = ReferenceData.model_validate(await rows.get(row_id))
        return cacheable(request, row.model_dump_json().encode())

    @router.put("/{row_id}", dependencies=writing)
    async def change(request: Request, row_id: RowId, new: NewReferenceData) -> Response:
        changed = await rows.change(row_id, new, is_expected(request, ReferenceData), by=request.state.writer)
        return Response(ReferenceData.model_validate(changed).model_dump_json(), media_type="application/json")

    @router.delete("/{row_id}", dependencies=writing)
    async def end(request: Request, row_id: RowId) -> Response:
        await rows.end(row_id, is_expected(request, ReferenceData), by=request.state.writer)
        return Response(status_code=204)

    return router
