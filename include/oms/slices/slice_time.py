"""How long a worker keeps its slice open for more work."""

from __future__ import annotations

from math import inf
from time import monotonic

from include.oms.base.settings import Settings

LONGEST_WORK_SECONDS = 1200.0
"""Of a worker that works only what its slice holds, well below its task's time-out. A low rate may take longer: what it
has not worked by then waits for a later run."""


def longest_hold_seconds(settings: Settings) -> float:
    """Longest time that a worker keeps a request. What it has not worked by then goes back to the queue."""
    return max(settings.claiming_seconds, settings.lease_seconds / 4)


class SliceTime:
    """The times of one worker: it claims more work for ``claiming_seconds``, and waits ``linger_seconds`` for some.

    A worker that took a slice over, or works it after a clear, claims no more than the slice holds. ``ends_at`` is when
    the claiming ends, ``until`` when the worker gives back what still waits; both by time.monotonic. A request is kept
    for another try only within ``claiming_seconds``.
    """

    def __init__(self, settings: Settings, *, takes_more: bool) -> None:
        self.until = monotonic() + longest_hold_seconds(settings)
        self._keeps_until = monotonic() + settings.claiming_seconds
        self.ends_at = monotonic() + settings.claiming_seconds if takes_more else -inf
        self._linger_seconds = settings.linger_seconds
        self._lingers_until = monotonic() + self._linger_seconds

    @property
    def seconds_left(self) -> float:
        """Seconds until the worker gives back what still waits."""
        return self.until - monotonic()

    def keeps_for(self, seconds: float) -> bool:
        """Whether a request may be kept for another try in ``seconds`` from now."""
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
        """Restart ``linger_seconds``, because there is work."""
        self._lingers_until = monotonic() + self._linger_seconds
