"""A bound on what a caller may send."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from include.services.answers import problem


class BodyLimit:
    """Answers 413 to a body of more than ``most_bytes``, before it is read where its length is announced."""

    def __init__(self, app: ASGIApp, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        announced = headers.get("content-length")
        if announced is not None and int(announced) > self._most_bytes:  # the HTTP parser saw to it being a number
            answer = problem(413, self._reason, {"Connection": "close"})
            await answer(scope, receive, send)
        else:
            chunked = "transfer-encoding" in headers
            await self._app(scope, self._counted(receive) if chunked else receive, send)

    @property
    def _reason(self) -> str:
        return f"The body is longer than {self._most_bytes} bytes."

    def _counted(self, receive: Receive) -> Receive:
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most_bytes:
                raise HTTPException(413, self._reason)
            return message

        return counted
