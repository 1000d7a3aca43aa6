"""Faults of the wire: an answer that is cut, cut short, comes a byte at a time, or does not come."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

DRIP_SECONDS = 0.25
LONGEST_DRIP_SECONDS = 60.0
LONGEST_SILENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1

_JSON = (b"content-type", b"application/json")


class OpenHttpProtocol(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, with the transport within reach of the answers in ``scope["state"]``."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A caller is there."""
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class CutConnection:
    """No answer: the connection is reset."""

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        transport = scope["state"]["transport"]
        if not transport.is_closing():
            # Linger for no time: the caller gets a reset, not an orderly end.
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await _close(transport, now=True)


class CutShort:
    """A header that promises the whole body, half of it, and the end of the connection."""

    def __init__(self, status: int, body: bytes) -> None:
        self._status = status
        self._body = body

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await _start(send, self._status, len(self._body))
        half = self._body[: len(self._body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _close(scope["state"]["transport"], now=False)


class Silence:
    """No answer, until the caller gives up; the connection is cut where that takes too long."""

    async def __call__(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        transport = scope["state"]["transport"]
        for _ in range(int(LONGEST_SILENCE_SECONDS / LOOK_SECONDS)):
            if transport.is_closing():
                return
            await asyncio.sleep(LOOK_SECONDS)
        await _close(transport, now=True)


class Drip:
    """The whole answer, a byte at a time; the connection is cut where that takes too long."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        transport = scope["state"]["transport"]
        await _start(send, 200, len(self._body))
        for sent in range(min(len(self._body), int(LONGEST_DRIP_SECONDS / DRIP_SECONDS))):
            if transport.is_closing():
                return
            await send({"type": "http.response.body", "body": self._body[sent : sent + 1], "more_body": True})
            await asyncio.sleep(DRIP_SECONDS)
        await _close(transport, now=False)


async def _start(send: Send, status: int, length: int) -> None:
    headers = [_JSON, (b"content-length", str(length).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _close(transport: Any, *, now: bool) -> None:
    """End the connection and wait until the server has noticed, so that it does not try to answer."""
    if now:
        transport.abort()
    else:
        transport.close()
    for _ in range(3):
        await asyncio.sleep(0)
