"""Runs the development issuer until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from include.services.answers import PROBLEM_HANDLERS, json_answer
from include.services.issuer.settings import IssuerSettings
from include.services.issuer.tokens import ensure_key_pair, jwks
from include.services.logs import JSON_LINES


def create_app(settings: IssuerSettings) -> Starlette:
    """The service as an ASGI application: GET /jwks."""
    _, public_file = ensure_key_pair(settings.issuer_data_dir)
    document = jwks(public_file)

    async def keys(_request: Request) -> Response:
        return json_answer(document)

    return Starlette(routes=[Route("/jwks", keys)], exception_handlers=PROBLEM_HANDLERS)


def main() -> None:
    """Serve. Exits 0 when it was asked to stop."""
    settings = IssuerSettings()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more after its own orderly end
    uvicorn.run(
        create_app(settings),
        host=settings.service_host,
        port=settings.issuer_port,
        log_config=JSON_LINES,
        ws="none",
        access_log=False,
        proxy_headers=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
