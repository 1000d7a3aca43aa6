"""How long a worker keeps its slice open for more work."""

from __future__ import annotations

from math import inf
from time import monotonic

from include.oms.base.settings import Settings


class Stay:
    """A worker claims more work for ``stay_seconds`` in all; without work it waits ``linger_seconds`` for some.

    ``ends_at`` is the time (time.monotonic) after which it claims no more.
    A worker that took a slice over, or works it after a clear, claims nothing more.
    """

    def __init__(self, settings: Settings, *, takes_more: bool) -> None:
        self.ends_at = monotonic() + settings.stay_seconds if takes_more else -inf
        self._linger_seconds = settings.linger_seconds
        self._lingers_until = monotonic() + self._linger_seconds

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
