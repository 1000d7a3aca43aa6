"""What comes before the contract's routes: limits, latency, outage, hang, token, cut connections."""

from __future__ import annotations

import asyncio
import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from include.services.answers import problem
from include.services.thunderhead.misbehaviour import Answer, Misbehaviour, hangs, is_out, outage_answer
from include.services.thunderhead.wire import CutConnection

HANG_LOOK_SECONDS = 0.1


class Gateway:
    """ASGI, around everything. /control needs the token alone and works during an outage; /healthz is free."""

    def __init__(self, app: ASGIApp, misbehaviour: Misbehaviour, token: str) -> None:
        self._app = app
        self._misbehaviour = misbehaviour
        self._authorization = b"Bearer " + token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith("/v1/"):
            with self._misbehaviour.in_hand(scope["method"]):
                await (await self._met(scope) or self._app)(scope, receive, send)
        elif scope["path"].startswith("/control"):
            await (self._stranger(scope) or self._app)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _met(self, scope: Scope) -> Answer | None:
        """The fault that this call gets instead of an answer, or None."""
        control = self._misbehaviour.control
        if not is_out(control) and (refusal := self._misbehaviour.over_a_limit()):
            return refusal
        if control.latency_seconds:
            await asyncio.sleep(control.latency_seconds)
        if hangs(control):
            return await self._hang(scope)
        return outage_answer(control) or self._stranger(scope) or self._misbehaviour.before_any_call()

    def _stranger(self, scope: Scope) -> Answer | None:
        given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if hmac.compare_digest(given, self._authorization):
            return None
        return problem(401, "No bearer token, or another one than expected.", {"WWW-Authenticate": "Bearer"})

    async def _hang(self, scope: Scope) -> Answer:
        """Keep silent until the outage is over or the caller is gone."""
        while hangs(self._misbehaviour.control) and not scope["state"]["transport"].is_closing():  # noqa: ASYNC110
            await asyncio.sleep(HANG_LOOK_SECONDS)
        return CutConnection()
