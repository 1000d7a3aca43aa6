"""Settings for a system that is never started."""

from __future__ import annotations

import pytest

from tests.local_settings import local_settings, nobodys_environment, secrets

__all__ = ["local_settings", "nobodys_environment", "secrets"]


@pytest.fixture(autouse=True)
def _in_nobodys_environment(nobodys_environment: None) -> None:
    """In each of these tests."""
