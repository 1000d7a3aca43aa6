"""How often something may be done: a token bucket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class TokenBucket:
    """Holds ``burst`` tokens at most and gains ``per_second``: a few at once, then a steady rate."""

    def __init__(self, *, burst: int, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._tokens = float(burst)
        self._counted_at = clock()
        self._lock = threading.Lock()

    def take(self) -> bool:
        """Take a token; whether there was one. Never waits."""
        with self._lock:
            now = self._clock()
            self._tokens = min(self._burst, self._tokens + (now - self._counted_at) * self._per_second)
            self._counted_at = now
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True
