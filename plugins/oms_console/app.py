"""Puts the console together."""

from __future__ import annotations

from html import escape
from pathlib import Path

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.base import RequestResponseEndpoint

from plugins.oms_console import actions, dashboard, looks, outbox, reference, requests, slices
from plugins.oms_console.problems import HANDLERS
from plugins.oms_console.same_origin import same_origin

STATIC = Path(__file__).parent / "static"

# Nothing from elsewhere, no script in the page itself: a text that slips through as markup still runs nothing.
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'self'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def create_app() -> FastAPI:
    """The console as an application to be mounted. Its pages hold no data; its API asks for a session."""
    app = FastAPI(title="OMS console", openapi_url=None, docs_url=None, redoc_url=None, exception_handlers=HANDLERS)
    for module in (slices, requests, actions, looks, dashboard, outbox, reference):
        app.include_router(module.router, prefix="/api", dependencies=[Depends(same_origin)])
    app.mount("/static", StaticFiles(directory=STATIC))

    @app.middleware("http")
    async def secured(request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers.update(SECURITY)
        response.headers.setdefault("Cache-Control", "no-cache" if "/static/" in request.url.path else "no-store")
        return response

    for path in ("/", "/search", "/retrying", "/dial", "/reference", "/slices", "/requests/{request_id}"):
        app.add_api_route(path, shell, methods=["GET"], include_in_schema=False)
    return app


async def shell(request: Request) -> Response:
    """One page for all: its script shows what the address names. It is told where the console is mounted."""
    base = escape(request.scope.get("root_path", ""))
    return HTMLResponse((STATIC / "index.html").read_text("utf-8").replace("{base}", base))
