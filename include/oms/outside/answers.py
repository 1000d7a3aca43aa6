"""Reading what an outside system answered: bounded in time and size, and never believed without a look.

Shared by the clients of Thunderhead and of the Reference Data API.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import msgspec

from include.oms.words.errors import Unavailable
from include.oms.words.names import without_unfit_characters

LONGEST_RETRY_AFTER_SECONDS = 86_400.0  # a day: beyond it, a person has looked


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the JSON (None where it cannot be read) and Retry-After in seconds."""

    status: int
    content: Any
    retry_after: float | None


async def call(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    timeout_seconds: float,
    max_bytes: int,
    json: Any = None,
    params: dict[str, str] | None = None,
) -> Answer:
    """One HTTP call, never repeated, never redirected.

    Raises Unavailable where the call surely never arrived (no connection), and TimeoutError or
    aiohttp.ClientError where it may have.
    """
    body = None if json is None else msgspec.json.encode(json)
    headers = {} if json is None else {"Content-Type": "application/json"}
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            session.request(method, url, data=body, params=params, headers=headers, allow_redirects=False) as response,
        ):
            return Answer(response.status, await _json(response, max_bytes), retry_after(response.headers))
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unavailable(f"no connection: {error.__class__.__name__}") from error


async def _json(response: aiohttp.ClientResponse, max_bytes: int) -> Any:
    """The body as JSON; None where it is empty, too long or none."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > max_bytes:
            response.close()
            return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None


def retry_after(headers: Any) -> float | None:
    """``Retry-After`` in seconds from now, whether it came as a number or as an HTTP date (RFC 9110, 10.2.3)."""
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


def problem_text(content: Any) -> str | None:
    """What an RFC 9457 problem says; None where the content is no problem at all."""
    if not isinstance(content, dict) or not {"type", "title", "status", "detail"} & content.keys():
        return None
    said = [str(content[key]) for key in ("title", "detail") if content.get(key)]
    return clean_text(": ".join(said) or "no reason given")


def clean_text(text: str, longest: int = 1000) -> str:
    """A foreign text made fit to store and show: line feeds stay, other unfit characters do not; bounded."""
    return without_unfit_characters(text[:longest], keep="\n")
