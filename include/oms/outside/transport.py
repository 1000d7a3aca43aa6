"""How OMS calls an outside system over HTTP: one call, made once, bounded in time and size.

The clients of Thunderhead and of the Reference Data API take a `Transport`. The jobs give them one that calls through
the HTTP provider's hook (``include/jobs/hooks.py``), the intake and the tests one over plain aiohttp.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import aiohttp
import msgspec

from include.oms.base.media_type import media_type
from include.oms.words.errors import Limited, Unavailable

LONGEST_RETRY_AFTER_SECONDS = 86_400.0  # a day: by then an operator has seen the outage


class Answer(msgspec.Struct, frozen=True):
    """What an outside system answered.

    ``content`` is the body as JSON, None where it is no JSON. ``retry_after`` is the header of that name in seconds.
    ``body`` is None where it was longer than the call's ``max_bytes``. ``media_type`` is without its parameters, in
    lower case.
    """

    status: int
    content: Any
    retry_after: float | None
    body: bytes | None = None
    media_type: str = ""


class Transport(Protocol):
    """One HTTP call to one outside system, made once: never repeated, never redirected."""

    async def __call__(
        self,
        method: str,
        path: str,
        *,
        timeout_seconds: float,
        max_bytes: int,
        json: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send ``json`` (POST) or ``params`` (GET) to ``path``; the whole call takes ``timeout_seconds`` at most.

        Raises Unavailable if the call certainly did not arrive, TimeoutError or aiohttp.ClientError if it may have.
        """


def http_transport(session: aiohttp.ClientSession, base_url: str) -> Transport:
    """A transport over plain aiohttp. The session has the credentials and bounds the time to connect."""

    async def call(
        method: str, path: str, *, timeout_seconds: float, max_bytes: int, json: Any = None,
        params: Mapping[str, str] | None = None,
    ) -> Answer:  # fmt: skip
        sent = session.request(method, base_url.rstrip("/") + path, json=json, params=params, allow_redirects=False)
        return await answer_to(sent, timeout_seconds=timeout_seconds, max_bytes=max_bytes)

    return call


async def answer_to(sent: Awaitable[aiohttp.ClientResponse], *, timeout_seconds: float, max_bytes: int) -> Answer:
    """Send a call and read its answer. Returns and raises what `Transport` says."""
    try:
        async with asyncio.timeout(timeout_seconds), await sent as response:
            body = await _body(response, max_bytes)
            headers = response.headers
            return Answer(response.status, _json(body), retry_after(headers), body, media_type(headers))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unavailable(f"no connection: {type(error).__name__}") from error
    except aiohttp.InvalidURL as error:
        raise Unavailable("its address is no URL") from error


def unavailable(answer: Answer, message: str | None = None, *, said: str | None = None) -> Unavailable:
    """The error for an answer that may be another one later: Limited for a refused call (429), else Unavailable."""
    kind = Limited if answer.status == 429 else Unavailable
    return kind(message or f"answered {answer.status}", retry_after=answer.retry_after, said=said)


async def _body(response: aiohttp.ClientResponse, max_bytes: int) -> bytes | None:
    """The body. If it is too long, close the connection and return None."""
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            return None
    return bytes(body)


def _json(body: bytes | None) -> Any:
    """The body as JSON; None where it is not."""
    try:
        return msgspec.json.decode(body or b"")
    except (ValueError, RecursionError):
        return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """``Retry-After`` in seconds from now, given as a number or as an HTTP date (RFC 9110, 10.2.3)."""
    text = headers.get("Retry-After")
    if text is None:
        return None
    try:
        seconds = float(text) if text.strip().isdigit() else _seconds_until(text)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _seconds_until(http_date: str) -> float:
    instant = parsedate_to_datetime(http_date)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - datetime.now(UTC)).total_seconds()
