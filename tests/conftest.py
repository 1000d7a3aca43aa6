"""What every test may ask for: the test kit's fixtures."""

from __future__ import annotations

from include.oms.testing import FIXTURES

pytest_plugins = [*FIXTURES, "include.jobs.testing"]
