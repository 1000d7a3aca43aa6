"""Puts the simulator together."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from include.services.answers import PROBLEM_HANDLERS, json_answer
from include.services.body_limit import BodyLimit
from include.services.thunderhead.batches import Batches
from include.services.thunderhead.control import Control
from include.services.thunderhead.control_routes import ControlRoutes
from include.services.thunderhead.gateway import Gateway
from include.services.thunderhead.ledger import Ledger
from include.services.thunderhead.misbehaviour import Misbehaviour
from include.services.thunderhead.rendering import Renderer
from include.services.thunderhead.settings import ThunderheadSettings

MOST_BODY_BYTES = 16_777_216  # XML is longer than the JSON it was made of


def create_app(settings: ThunderheadSettings, control: Control) -> ASGIApp:
    """The simulator as an ASGI application."""
    misbehaviour = Misbehaviour(control, settings.thunderhead_seed)
    ledger = Ledger(settings.thunderhead_data_dir / "ledger.sqlite")
    renderer = Renderer(ledger, settings.thunderhead_data_dir)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        renderer.start()
        yield
        await renderer.stop()
        ledger.close()

    routes = [Route("/healthz", _healthz), Route("/", _root, methods=["GET", "POST"])]
    routes += Batches(ledger, renderer, misbehaviour).routes()
    routes += ControlRoutes(ledger, misbehaviour).routes()
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=PROBLEM_HANDLERS)
    app.router.redirect_slashes = False
    limited = BodyLimit(app, MOST_BODY_BYTES)
    return Gateway(limited, misbehaviour, settings.thunderhead_token.get_secret_value())


async def _root(_request: Request) -> Response:
    """Answer 200: Airflow's test of an HTTP Connection is a POST to its address."""
    return json_answer({"service": "Thunderhead simulator"})


async def _healthz(_request: Request) -> Response:
    return json_answer({"status": "ok"})
