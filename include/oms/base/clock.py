"""The clock for what must not last longer than it was promised: leases, and how old an answer may be."""

from __future__ import annotations

import time


def awake_or_asleep() -> float:
    """Seconds on a clock that also runs while the machine is suspended, as the database's clock does.

    On Linux, Python's monotonic clock stops meanwhile: a worker that wakes up would think that its lease is fresh.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
