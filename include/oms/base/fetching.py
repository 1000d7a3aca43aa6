"""Fetch a small JSON document from a system that is not ours, for threads: bounded in time and size, never trusted."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, NamedTuple

import msgspec

from include.oms.base.bounded_http import NoAnswer, call, client

NOT_MODIFIED, OK, NOT_FOUND = 304, 200, 404


LONGEST_ETAG = 200


class FetchError(Exception):
    """No usable answer."""


class NothingThere(FetchError):
    """The system answers, and has nothing under this URL."""


class Fetched(NamedTuple):
    """What came: the JSON, None where nothing has changed since ``etag``."""

    content: Any
    etag: str | None


class Fetcher:
    """An HTTP client for a few documents; one for the process, used by all its threads.

    The calls run on an event loop in a thread of their own: only there does a deadline hold for a whole call.
    """

    def __init__(self, *, timeout_seconds: float, max_bytes: int) -> None:
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self._client = client()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def fetch(self, url: str, etag: str | None = None) -> Fetched:
        """The JSON under ``url``, or nothing where it still has that ``etag``. Raises FetchError."""
        headers = {"Accept": "application/json", **({"If-None-Match": etag} if etag else {})}
        bounds = {"deadline_seconds": self._timeout_seconds, "max_bytes": self._max_bytes}
        calling = call(self._client, "GET", url, headers=headers, **bounds)  # type: ignore[arg-type]
        try:
            answer = asyncio.run_coroutine_threadsafe(calling, self._running_loop()).result()
        except NoAnswer as error:
            raise FetchError(str(error)) from error
        if answer.status == NOT_MODIFIED and etag:
            return Fetched(None, etag)
        if answer.status == NOT_FOUND:
            raise NothingThere("answered 404")
        if answer.status != OK:
            raise FetchError(f"answered {answer.status}")
        try:
            return Fetched(msgspec.json.decode(answer.body), _etag(answer.headers.get("ETag")))
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise FetchError("answered something else than JSON") from error

    def close(self) -> None:
        """Close all connections and end the thread."""
        with self._lock:
            loop, self._loop = self._loop, None
        if loop:
            asyncio.run_coroutine_threadsafe(self._client.aclose(), loop).result()
            loop.call_soon_threadsafe(loop.stop)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        """Started at the first call: a server forks its workers before they call anybody."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=_run, args=[self._loop], name="oms-fetcher", daemon=True).start()
            return self._loop


def _etag(sent: str | None) -> str | None:
    """The ETag, where it can be sent back; else the document is fetched as a whole each time."""
    return sent if sent and len(sent) <= LONGEST_ETAG and sent.isascii() and sent.isprintable() else None


def _run(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
