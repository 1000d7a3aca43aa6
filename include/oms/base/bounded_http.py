"""One HTTP call whose answer is bounded in time and size, whatever the other side does.

httpx's own time-outs count between two reads, so an answer that drips is never too late; and a few kilobytes of gzip
become a gigabyte before anybody can count. Here the deadline holds for the whole call, and an answer comes as it is:
encodings are neither asked for nor taken.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx

from include.oms.base.media_type import media_type


class NoAnswer(Exception):
    """No answer, or none within the bounds. The message says which."""


@dataclass(frozen=True)
class Answer:
    """What came back, complete."""

    status: int
    headers: httpx.Headers
    body: bytes

    @property
    def media_type(self) -> str:
        """That of the body; empty if there is none."""
        return media_type(self.headers)


def client() -> httpx.AsyncClient:
    """A client for ``call``. It follows no redirects, and no proxy of the environment: what we call is in the house."""
    return httpx.AsyncClient(follow_redirects=False, trust_env=False, timeout=None)  # noqa: S113  # call() has a deadline


async def call(
    http: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    deadline_seconds: float,
    max_bytes: int,
    headers: dict[str, str] | None = None,
    json: Any = None,
) -> Answer:
    """One call, from connecting to the last byte within ``deadline_seconds``. Never repeated.

    Raises NoAnswer, also where the body is longer than ``max_bytes`` or encoded.
    """
    sent = {"Accept-Encoding": "identity", **(headers or {})}
    try:
        async with (
            asyncio.timeout(deadline_seconds),
            http.stream(method, url, headers=sent, json=json) as response,
        ):
            if response.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise NoAnswer("answered in an encoding that was not asked for")
            body = bytearray()
            async for part in response.aiter_raw():
                body += part
                if len(body) > max_bytes:
                    raise NoAnswer(f"answered more than {max_bytes} bytes")
            return Answer(response.status_code, response.headers, bytes(body))
    except TimeoutError as error:
        raise NoAnswer(f"no whole answer within {deadline_seconds:g} s") from error
    except NoAnswer:
        raise
    except Exception as error:  # httpx lets through what is below it: a port of 99999 is an ExceptionGroup
        raise NoAnswer(f"no answer: {type(error).__name__}") from error
