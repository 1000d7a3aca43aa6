"""The control plane: settings while the simulator runs, and its ledger for comparisons."""

from __future__ import annotations

import logging

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from include.services.answers import json_answer, problem
from include.services.thunderhead.control import Control
from include.services.thunderhead.ledger import Ledger
from include.services.thunderhead.misbehaviour import Misbehaviour

MOST_ROWS = 10_000

_log = logging.getLogger("uvicorn.error")  # the server's own: one stream of lines


class ControlRoutes:
    """GET, PUT and DELETE /control; GET /control/calls and /control/ledger."""

    def __init__(self, ledger: Ledger, misbehaviour: Misbehaviour) -> None:
        self._ledger = ledger
        self._misbehaviour = misbehaviour
        self._at_start = misbehaviour.control

    def routes(self) -> list[Route]:
        """For Starlette."""
        return [
            Route("/control", self.show),
            Route("/control", self.change, methods=["PUT"]),
            Route("/control", self.reset, methods=["DELETE"]),
            Route("/control/calls", self.calls),
            Route("/control/ledger", self.ledger),
        ]

    async def show(self, _request: Request) -> Response:
        """Return the current settings."""
        return self._told()

    async def change(self, request: Request) -> Response:
        """Replace all settings; fields that are left out get their defaults."""
        try:
            told = Control.model_validate_json(await request.body())
        except ValidationError as error:
            faults = [{"at": fault["loc"], "detail": fault["msg"]} for fault in error.errors(include_input=False)]
            return problem(422, "This cannot be told.", errors=faults)
        return self._tell(told)

    async def reset(self, _request: Request) -> Response:
        """Restore the settings of the start."""
        return self._tell(self._at_start)

    async def calls(self, _request: Request) -> Response:
        """Number of calls under /v1 so far, how many of them were submits, and how many a limit answered 429."""
        it = self._misbehaviour
        return json_answer({"calls": it.calls, "submits": it.submits, "limited": it.limited})

    async def ledger(self, request: Request) -> Response:
        """All batches by id, a page at a time; ``next`` is the ``after`` of the next page."""
        after, limit = request.query_params.get("after", "0"), request.query_params.get("limit", "1000")
        if not (after.isdecimal() and limit.isdecimal() and len(after) < 19 and 0 < int(limit[:9]) <= MOST_ROWS):
            return problem(400, f"after must be an id, and limit 1 to {MOST_ROWS}.")
        batches = self._ledger.after(int(after), int(limit))
        more = batches[-1].batch_id if len(batches) == int(limit) else None
        return json_answer({"batches": [batch.told() for batch in batches], "next": more})

    def _tell(self, told: Control) -> Response:
        self._misbehaviour.control = told
        _log.info("told: %s", told.model_dump_json(exclude_defaults=True))
        return self._told()

    def _told(self) -> Response:
        return Response(self._misbehaviour.control.model_dump_json(), media_type="application/json")
