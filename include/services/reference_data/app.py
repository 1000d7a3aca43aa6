"""The application of the Reference Data API, and the answer to each kind of error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from psycopg import errors
from starlette.types import ASGIApp

from include.oms.base.fetching import Fetcher
from include.oms.base.limits import MOST_ANSWER_BYTES
from include.oms.words.content_schema import SchemaRefused
from include.services.answers import PROBLEM_HANDLERS, Handler, json_answer, problem
from include.services.body_limit import BodyLimit
from include.services.reference_data.authorization import REFUSAL_HANDLERS, writer
from include.services.reference_data.configuration_routes import configuration_routes
from include.services.reference_data.database import create_pool
from include.services.reference_data.quota_routes import quota_routes
from include.services.reference_data.reference_data_routes import reference_data_routes
from include.services.reference_data.rows import (
    DOCUMENT_CONFIGURATIONS,
    DOCUMENT_SCHEMAS,
    REFERENCE_DATA,
    SOURCE_SYSTEM_QUOTAS,
    Changed,
    NotThere,
    Refused,
    Rows,
)
from include.services.reference_data.schema_routes import schema_routes
from include.services.reference_data.settings import ReferenceDataSettings

RETRY_AFTER_SECONDS = 5
ISSUER_TIMEOUT_SECONDS = 2.0  # for its keys; a caller waits in the meantime

_log = logging.getLogger("uvicorn.error")  # the server's own logger: all lines go to one stream


def create_app(settings: ReferenceDataSettings) -> ASGIApp:
    """The service as an ASGI application."""
    pool = create_pool(settings)
    fetcher = Fetcher(timeout_seconds=ISSUER_TIMEOUT_SECONDS, max_bytes=MOST_ANSWER_BYTES)
    may_write = writer(settings, fetcher)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await pool.open()  # does not wait for the database
        yield
        await pool.close()
        await asyncio.to_thread(fetcher.close)

    app = FastAPI(openapi_url=None, redirect_slashes=False, lifespan=lifespan)
    reference_data = Rows(pool, REFERENCE_DATA)
    app.include_router(reference_data_routes(reference_data, may_write))
    app.include_router(configuration_routes(Rows(pool, DOCUMENT_CONFIGURATIONS), may_write))
    app.include_router(schema_routes(Rows(pool, DOCUMENT_SCHEMAS), may_write))
    app.include_router(quota_routes(Rows(pool, SOURCE_SYSTEM_QUOTAS), may_write))

    @app.api_route("/", methods=["GET", "POST"])
    async def root() -> Response:
        """Answer 200: Airflow's test of an HTTP Connection is a POST to its address."""
        return json_answer({"service": "Reference Data API"})

    @app.get("/healthz")
    async def healthz() -> Response:
        """Answer 200 if the process is alive."""
        return json_answer({"status": "ok"})

    @app.get("/readyz")
    async def readyz() -> Response:
        """Answer 200 if the database answers."""
        await reference_data.select("select_one")
        return json_answer({"status": "ok"})

    for error, handler in {**PROBLEM_HANDLERS, **REFUSAL_HANDLERS, **_HANDLERS}.items():
        app.add_exception_handler(error, handler)
    return BodyLimit(app, settings.max_body_bytes)


async def _invalid(_request: Request, error: RequestValidationError) -> Response:
    faults = [_fault(fault) for fault in error.errors()]
    said = "; ".join(f"{fault.get('pointer', fault['at'])}: {fault['detail']}" for fault in faults[:5])
    return problem(422, said, errors=faults[:100])


def _fault(found: dict[str, Any]) -> dict[str, str]:
    """One fault, and where: ``at``, and inside a document's schema ``pointer``, a JSON Pointer into the body."""
    at, detail = ".".join(map(str, found["loc"])), found["msg"].removeprefix("Value error, ")
    match found.get("ctx"):
        case {"error": SchemaRefused() as refused}:
            return {"at": at, "pointer": refused.pointer("schema"), "detail": refused.detail}
    return {"at": at, "detail": detail}


async def _not_there(_request: Request, _error: NotThere) -> Response:
    return problem(404, "There is no such row.")


async def _changed(_request: Request, _error: Changed) -> Response:
    return problem(412, "The row has been changed since you read it.")


async def _refused(_request: Request, error: Refused) -> Response:
    return problem(409, str(error))


async def _overlaps(_request: Request, _error: errors.ExclusionViolation) -> Response:
    return problem(409, "Another row for the same thing would be in force on the same day.")


async def _ends_too_early(_request: Request, _error: psycopg.Error) -> Response:
    """The database found it: the models cannot compare a given date with one that is left out."""
    return problem(422, "effectToDat must not be before effectFromDat.")


async def _database_is_away(_request: Request, error: psycopg.OperationalError) -> Response:
    _log.warning("the database does not answer: %s", type(error).__name__)
    return problem(503, "The database does not answer in time.", {"Retry-After": str(RETRY_AFTER_SECONDS)})


_HANDLERS: dict[type[Exception], Handler] = {
    RequestValidationError: _invalid,
    NotThere: _not_there,
    Changed: _changed,
    Refused: _refused,
    errors.ExclusionViolation: _overlaps,
    errors.CheckViolation: _ends_too_early,
    errors.DataException: _ends_too_early,  # raised by daterange()
    psycopg.OperationalError: _database_is_away,
}
