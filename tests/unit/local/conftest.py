"""Settings for a system that is never started."""

from __future__ import annotations

from pathlib import Path

import pytest

from include.local.secrets import Secrets
from include.local.settings import LocalSettings


@pytest.fixture
def local_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSettings:
    """In a folder of the test's own; the environment of whoever runs the tests does not count."""
    for name in ("OMS_DB", "THUNDERHEAD_API", "REFERENCE_DATA_API", "KAFKA_DEFAULT"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)
    monkeypatch.delenv("OMS_REFERENCE_DATA_URL", raising=False)
    return LocalSettings(var_dir=tmp_path / "var")


@pytest.fixture
def secrets() -> Secrets:
    """Made anew."""
    return Secrets()
