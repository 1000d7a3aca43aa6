"""Reference data and document configurations, read and edited through the Reference Data API, which checks them."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import httpx
from fastapi import APIRouter, Body, HTTPException, Query, Response

from include.oms.base.settings import settings
from plugins.oms_console.audit import audit
from plugins.oms_console.outside import base_url_and_headers
from plugins.oms_console.rights import EDIT, READ, GetUserDep

router = APIRouter(dependencies=READ)

Kind = Literal["reference-data", "document-configurations"]
Row = Annotated[dict[str, Any], Body()]


@router.get("/reference/{kind}")
async def rows(kind: Kind, of_type: Annotated[str, Query(alias="type", pattern="^[A-Z_]{0,40}$")] = "") -> Response:
    """All document configurations, or the reference data of a type that is in force today."""
    return await _passed_on("GET", kind if kind == "document-configurations" else f"{kind}/type/{of_type}")


@router.post("/reference/{kind}", dependencies=EDIT)
async def add(kind: Kind, row: Row, user: GetUserDep) -> Response:
    """A new row."""
    return await _changed(user, "POST", kind, row)


@router.put("/reference/{kind}/{row_id}", dependencies=EDIT)
async def change(kind: Kind, row_id: int, row: Row, user: GetUserDep) -> Response:
    """Another content for a row."""
    return await _changed(user, "PUT", f"{kind}/{row_id}", row)


@router.delete("/reference/{kind}/{row_id}", dependencies=EDIT)
async def end(kind: Kind, row_id: int, user: GetUserDep) -> Response:
    """A row counts until today. Nothing is deleted."""
    return await _changed(user, "DELETE", f"{kind}/{row_id}")


async def _changed(user: GetUserDep, method: str, path: str, row: dict[str, Any] | None = None) -> Response:
    answer = await _passed_on(method, path, row)
    if answer.status_code < 300:
        await asyncio.to_thread(audit, user.get_name(), "oms.reference_data", f"{method} {path} {row or ''}".strip())
    return answer


async def _passed_on(method: str, path: str, row: dict[str, Any] | None = None) -> Response:
    """What the Reference Data API says to it. Raises HTTPException 502 where it does not answer."""
    url, headers = await asyncio.to_thread(base_url_and_headers, "reference_data_api")
    try:
        async with httpx.AsyncClient(timeout=settings().poll_timeout_seconds, trust_env=False) as client:
            answer = await client.request(method, f"{url}/v1/{path}", json=row, headers=headers)
    except httpx.HTTPError as error:
        raise HTTPException(502, f"the Reference Data API does not answer: {type(error).__name__}") from error
    media_type = answer.headers.get("content-type", "application/json")
    if "json" not in media_type or answer.status_code in (401, 403):
        raise HTTPException(502, f"the Reference Data API answered {answer.status_code}")
    return Response(answer.content, answer.status_code, media_type=media_type)
