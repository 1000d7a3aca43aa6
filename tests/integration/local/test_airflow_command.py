"""Airflow's command for whoever writes a DAG: a home and a database of its own, Connections of the running system."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from include.local.airflow import configuration
from include.local.airflow_command import airflow_environment, run_airflow
from include.local.secrets import Secrets
from include.local.settings import LocalSettings

pytestmark = pytest.mark.integration

NEEDED = {"AIRFLOW_HOME", "AIRFLOW__CORE__DAGS_FOLDER", "AIRFLOW__CORE__TEST_CONNECTION", "PYTHONPATH", "PATH"}
CONNECTIONS = {f"AIRFLOW_CONN_{name}" for name in ("OMS_DB", "KAFKA_DEFAULT", "THUNDERHEAD_API", "REFERENCE_DATA_API")}


@pytest.fixture
def local_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalSettings:
    """Settings in a folder of the test's own."""
    for name in os.environ:
        if name.startswith(("OMS_", "AIRFLOW")):
            monkeypatch.delenv(name)
    return LocalSettings(var_dir=tmp_path / "var")


def test_it_has_a_home_of_its_own_and_the_systems_connections(local_settings: LocalSettings) -> None:
    told = airflow_environment(local_settings)
    assert told.keys() >= NEEDED | CONNECTIONS
    assert Path(told["AIRFLOW_HOME"]).parent == local_settings.var_dir
    assert "SQL_ALCHEMY_CONN" not in " ".join(told), "SQLite in its home: never the running scheduler's database"
    assert json.loads(told["AIRFLOW_CONN_THUNDERHEAD_API"])["host"] == "http://127.0.0.1:18082"
    assert configuration(local_settings, Secrets())["core"]["test_connection"] == "Enabled"


def test_a_shell_takes_it_from_a_file_that_only_its_owner_reads(local_settings: LocalSettings) -> None:
    assert run_airflow(["version"], local_settings) == 0
    file = local_settings.var_dir / "airflow.env"
    assert file.stat().st_mode & 0o077 == 0
    script = f'. {file}; airflow dags list-import-errors >/dev/null && echo "$AIRFLOW_HOME"'
    told = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.strip() == str(local_settings.var_dir / "airflow-test")
