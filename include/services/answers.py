"""Answers of either service: JSON, and RFC 9457 problems where it cannot do what was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Handler = Callable[[Request, Any], Awaitable[Response]]


def json_answer(content: Any, status: int = 200) -> Response:
    """A JSON answer."""
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """A problem as an answer. ``detail`` is read by the caller's people; ``more`` are members of its own."""
    content = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return Response(msgspec.json.encode(content), status, headers=headers, media_type="application/problem+json")


async def _expected(_request: Request, error: HTTPException) -> Response:
    return problem(error.status_code, error.detail, error.headers)


async def _unexpected(_request: Request, _error: Exception) -> Response:
    """The trace goes to the log; the caller learns that it was not their fault."""
    return problem(500, "Something went wrong here. The log says what.")


# For Starlette's `exception_handlers`: no route (404), wrong method (405), refusals raised and everything else.
PROBLEM_HANDLERS: Mapping[Any, Handler] = {HTTPException: _expected, Exception: _unexpected}
