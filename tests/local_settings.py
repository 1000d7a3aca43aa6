"""Settings for a system that is never started."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from include.local.secrets import Secrets
from include.local.settings import LocalSettings


@pytest.fixture
def nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests do not count."""
    for name in os.environ:
        if name.startswith(("OMS_", "AIRFLOW_CONN_")) and not name.startswith("OMS_TEST_"):
            monkeypatch.delenv(name)


@pytest.fixture
def local_settings(tmp_path: Path) -> LocalSettings:
    """In a folder of the test's own."""
    return LocalSettings(var_dir=tmp_path / "var")


@pytest.fixture
def secrets() -> Secrets:
    """Made anew."""
    return Secrets()
