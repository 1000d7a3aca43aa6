"""A lease is not relied upon after the machine has slept."""

from __future__ import annotations

import time

import pytest

from include.oms.base.clock import awake_or_asleep
from include.oms.slices import lease
from include.oms.slices.lease import Lease


def test_a_lease_runs_out_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Lease(1, 1, awake_or_asleep() + 60)
    assert held.holds_for(15)
    asleep_until = awake_or_asleep() + 120
    monkeypatch.setattr(lease, "awake_or_asleep", lambda: asleep_until)  # time.monotonic stands still meanwhile
    assert not held.holds_for(0)


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="Linux's clock")
def test_its_clock_is_the_one_that_goes_on() -> None:
    assert abs(awake_or_asleep() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 5
