"""What every test may ask for: the test kit's fixtures."""

from __future__ import annotations

from hypothesis import settings

from include.oms.testing import FIXTURES

pytest_plugins = [*FIXTURES, "include.jobs.testing"]

# A property is tried with 60 examples, each time; a slow machine is no fault of the code.
settings.register_profile("oms", max_examples=60, deadline=None)
settings.load_profile("oms")
