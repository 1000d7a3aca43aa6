"""The console's application: routes, pages, headers."""

from __future__ import annotations

import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import RequestResponseEndpoint

from plugins.oms_console import (
    actions,
    bulk,
    dashboard,
    holds,
    looks,
    outbox,
    reconciliations,
    reference,
    requests,
    runs,
    slices,
    systems,
    trail,
)
from plugins.oms_console.filters import without_personal_data
from plugins.oms_console.problems import HANDLERS
from plugins.oms_console.same_origin import same_origin

STATIC = Path(__file__).parent / "static"
PAGES = (
    "/", "/search", "/failures", "/retrying", "/bulk", "/bulk/{operation_id}", "/runs", "/systems", "/reference",
    "/actions", "/slices", "/requests/{request_id}", "/reconciliations", "/reconciliations/{day}", "/problems/{name}",
    "/dial",  # what /systems was called
)  # fmt: skip

MODULES = (
    slices, requests, actions, bulk, looks, dashboard, holds, outbox, systems, reference, runs, trail, reconciliations,
)  # fmt: skip

# Nothing from other hosts and no inline script: text that is taken for markup by mistake runs nothing.
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-src blob:; frame-ancestors 'self'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
ONE_YEAR = "public, max-age=31536000, immutable"


def version() -> str:
    """A version of the scripts and styles, for their address: new content has a new address."""
    found = hashlib.sha256()
    for file in sorted(STATIC.rglob("*")):
        if file.is_file():
            found.update(file.read_bytes())
    return found.hexdigest()[:12]


def create_app() -> FastAPI:
    """The console as an application to be mounted. Its pages hold no data; its API asks for a session."""
    app = FastAPI(title="OMS console", openapi_url=None, docs_url=None, redoc_url=None, exception_handlers=HANDLERS)
    for module in MODULES:
        app.include_router(module.router, prefix="/api", dependencies=[Depends(same_origin)])
    versioned = f"/static/{version()}"
    app.mount(versioned, StaticFiles(directory=STATIC))
    app.mount("/static", StaticFiles(directory=STATIC))

    @app.middleware("http")
    async def secured(request: Request, call_next: RequestResponseEndpoint) -> Response:
        try:
            response = await call_next(request)
        finally:  # Airflow's access log reads it afterwards
            request.scope["query_string"] = without_personal_data(request.query_params)
        path = request.url.path
        if "/api/" in path and request.method == "GET" and "json" in response.headers.get("content-type", ""):
            response = await _only_news(request, response)
        if response.status_code < 400:
            kept = ONE_YEAR if versioned in path else "no-cache" if "/static/" in path else "no-store"
            response.headers.setdefault("Cache-Control", kept)
        response.headers.update(SECURITY)
        return response

    page = (STATIC / "index.html").read_text("utf-8").replace("{version}", versioned.rpartition("/")[2])

    async def shell(request: Request) -> Response:
        """The one page: its script shows what the address names. It holds the path of the console."""
        return HTMLResponse(page.replace("{base}", escape(request.scope.get("root_path", ""))))

    for path in PAGES:
        app.add_api_route(path, shell, methods=["GET"], include_in_schema=False)
    return app


async def _only_news(request: Request, response: Any) -> Response:
    """The answer with its ETag, or 304 if the page has it already: a refresh without changes costs only headers."""
    body = b"".join([part async for part in response.body_iterator])
    tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    if response.status_code == 200 and tag in re.findall(r'"[^"]*"', request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers={"ETag": tag})
    headers = dict(response.headers) | ({"ETag": tag} if response.status_code == 200 else {})
    return Response(body, response.status_code, headers)
