"""Fixtures of the jobs' tests."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[True, False], ids=["early wake", "fixed schedules alone"])
def both_modes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the test with early wake and without it. Comes before ``oms``, which reads the settings."""
    monkeypatch.setenv("OMS_EARLY_WAKE", str(request.param))
