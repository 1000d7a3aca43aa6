"""The routes that every kind of rows has: create one, read one, change one, end one."""

# No `from __future__ import annotations`: FastAPI reads the model of a body from the annotation, which is a local name.
from collections.abc import Callable

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from include.services.reference_data.caching import cacheable, is_expected
from include.services.reference_data.parameters import RowId
from include.services.reference_data.rows import Rows


def add_row_routes(
    router: APIRouter,
    rows: Rows,
    *,
    row: type[BaseModel],
    new_row: type[BaseModel],
    may_write: Callable[[Request], None],
) -> None:
    """Add them to the router, after its own routes: ``/{row_id}`` would match those.

    ``row`` is what callers read, ``new_row`` what they write. ``may_write`` refuses callers that may only read.
    """
    writing = [Depends(may_write)]

    @router.post("", dependencies=writing)
    async def create(request: Request, new: new_row) -> Response:  # type: ignore[valid-type]
        made = row.model_validate(await rows.create(new, by=request.state.writer))
        headers = {"Location": f"{router.prefix}/{made.id}"}  # type: ignore[attr-defined]
        return Response(made.model_dump_json(), 201, headers, media_type="application/json")

    @router.get("/{row_id}")
    async def one(request: Request, row_id: RowId) -> Response:
        return cacheable(request, row.model_validate(await rows.get(row_id)).model_dump_json().encode())

    @router.put("/{row_id}", dependencies=writing)
    async def change(request: Request, row_id: RowId, new: new_row) -> Response:  # type: ignore[valid-type]
        changed = await rows.change(row_id, new, is_expected(request, row), by=request.state.writer)
        return Response(row.model_validate(changed).model_dump_json(), media_type="application/json")

    @router.delete("/{row_id}", dependencies=writing)
    async def end(request: Request, row_id: RowId) -> Response:
        await rows.end(row_id, is_expected(request, row), by=request.state.writer)
        return Response(status_code=204)
