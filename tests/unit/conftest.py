"""Unit tests stay quick: none imports Airflow."""

from __future__ import annotations

import sys

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a unit test that needs Airflow: each process would pay seconds for the import."""
    alone = all("tests/unit" in item.path.as_posix() for item in session.items)
    if alone and "airflow" in sys.modules:
        raise pytest.UsageError("a unit test imports Airflow: move it to tests/integration")
