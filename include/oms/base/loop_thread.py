"""An event loop in a thread of its own: how code with threads calls asyncio code, with a bound on every wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

CANCEL_SECONDS = 5.0  # what a cancelled coroutine may still take
T = TypeVar("T")


class LoopThread:
    """Runs coroutines for many threads. The loop starts with the first one, so after a server has forked."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._running: tuple[asyncio.AbstractEventLoop, threading.Thread] | None = None

    def run(self, work: Coroutine[Any, Any, T], *, seconds: float) -> T:
        """Run ``work`` and return its result. Raises what it raises; TimeoutError, cancelling it, after ``seconds``."""
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self._loop())
        return future.result(seconds + CANCEL_SECONDS)

    def close(self) -> None:
        """End the loop and its thread."""
        with self._lock:
            running, self._running = self._running, None
        if running:
            loop, thread = running
            loop.call_soon_threadsafe(loop.stop)
            thread.join(CANCEL_SECONDS)

    def _loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._running is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_serve, args=[loop], name=self._name, daemon=True)
                thread.start()
                self._running = loop, thread
            return self._running[0]


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()
