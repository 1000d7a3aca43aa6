"""Errors as problem+json (RFC 9457), without stack traces and without the database's texts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

log = logging.getLogger(__name__)


def problem(status: int, title: str, **more: Any) -> Response:
    """One answer that says what is wrong."""
    return JSONResponse(
        {"title": title, "status": status, **more}, status, {"Cache-Control": "no-store"}, "application/problem+json"
    )


async def _refused(_request: Request, error: Any) -> Response:
    return problem(error.status_code, str(error.detail))


async def _invalid(_request: Request, error: Any) -> Response:
    faults = [{"at": ".".join(map(str, fault["loc"][1:])), "detail": fault["msg"]} for fault in error.errors()]
    said = "; ".join(f"{fault['at']}: {fault['detail']}" for fault in faults[:3])
    return problem(422, said, errors=faults[:20])


async def _odd_value(_request: Request, error: Any) -> Response:
    """A text with a NUL, a time or a number beyond what PostgreSQL has: it matches nothing, and cannot be kept."""
    log.warning("the OMS Database does not take a value: %s", type(error).__name__)
    return problem(422, "A value holds a character, a time or a number that the OMS Database does not take.")


async def _database_away(_request: Request, error: Any) -> Response:
    log.warning("the OMS Database does not answer: %s", type(error).__name__)
    return problem(
        503, "The OMS Database does not answer. The jobs wait for it; nothing is lost.", type="database-unavailable"
    )


async def _too_slow(_request: Request, error: Any) -> Response:
    log.warning("a query of the console took too long: %s", type(error).__name__)
    return problem(503, "The OMS Database took too long over this. Narrow the search, or try again.", type="too-slow")


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    HTTPException: _refused,
    RequestValidationError: _invalid,
    psycopg.errors.QueryCanceled: _too_slow,
    psycopg.OperationalError: _database_away,
    psycopg.DataError: _odd_value,
}
