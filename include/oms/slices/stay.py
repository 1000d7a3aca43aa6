"""How long a worker keeps its slice open for more work."""

from __future__ import annotations

from math import inf
from time import monotonic

from include.oms.base.settings import Settings


def longest_stay_seconds(settings: Settings) -> float:
    """How long a worker keeps what it holds, at most; what it did not get to by then goes back to the queue."""
    return max(settings.stay_seconds, settings.lease_seconds / 4)


class Stay:
    """A worker claims more work for ``stay_seconds`` in all; without work it waits ``linger_seconds`` for some.

    A worker that took a slice over, or works it after a clear, takes no more work than the slice holds. ``ends_at`` is
    when it takes no more, ``until`` when it gives back what still waits; both by time.monotonic. What was turned back
    is kept for another try only within ``stay_seconds``.
    """

    def __init__(self, settings: Settings, *, takes_more: bool) -> None:
        self.until = monotonic() + longest_stay_seconds(settings)
        self._keeps_until = monotonic() + settings.stay_seconds
        self.ends_at = monotonic() + settings.stay_seconds if takes_more else -inf
        self._linger_seconds = settings.linger_seconds
        self._lingers_until = monotonic() + self._linger_seconds

    @property
    def seconds_left(self) -> float:
        """Until the worker gives back what still waits."""
        return self.until - monotonic()

    def keeps_for(self, seconds: float) -> bool:
        """Whether what was turned back may be kept for another try so long from now."""
        return monotonic() + seconds < self._keeps_until

    @property
    def is_over(self) -> bool:
        """Whether the worker claims no more work."""
        return monotonic() >= self.ends_at

    @property
    def is_idle(self) -> bool:
        """Whether there has been no work for ``linger_seconds``."""
        return monotonic() >= self._lingers_until

    def works(self) -> None:
        """Start the waiting time anew: there is work."""
        self._lingers_until = monotonic() + self._linger_seconds
