"""Fetching a small JSON document from a system that is not ours: bounded in time and size, never believed blindly."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import httpx
import msgspec


class FetchError(Exception):
    """No usable answer."""


class Fetched(NamedTuple):
    """What came: the JSON, None where nothing has changed since ``etag``."""

    content: Any
    etag: str | None


class Fetcher:
    """An HTTP client for a few documents; one for the process, used by all its threads."""

    def __init__(self, *, timeout_seconds: float, max_bytes: int) -> None:
        # trust_env: what we call is in the house; a proxy of the environment is not meant for it.
        self._client = httpx.Client(timeout=timeout_seconds, follow_redirects=False, trust_env=False)
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        """The JSON under ``url``, or nothing where it still has that ``etag``. Raises FetchError."""
        headers = {"Accept": "application/json", **({"If-None-Match": etag} if etag else {})}
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                if response.status_code == httpx.codes.NOT_MODIFIED and etag:
                    return Fetched(None, etag)
                if response.status_code != httpx.codes.OK:
                    raise FetchError(f"answered {response.status_code}")
                return Fetched(msgspec.json.decode(self._body(response)), response.headers.get("ETag"))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise FetchError(f"no answer: {type(error).__name__}") from error
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise FetchError("answered something else than JSON") from error

    def close(self) -> None:
        """Let all connections go."""
        self._client.close()

    def _body(self, response: httpx.Response) -> bytes:
        """The whole body. The client's own time-out is one for each read; a trickle needs a bound on the sum."""
        deadline = time.monotonic() + self._timeout_seconds
        body = bytearray()
        for part in response.iter_bytes():
            body += part
            if len(body) > self._max_bytes:
                raise FetchError(f"answered more than {self._max_bytes} bytes")
            if time.monotonic() > deadline:
                raise FetchError("answered too slowly")
        return bytes(body)
