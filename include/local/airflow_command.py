"""Airflow's own command for the author of a DAG: `dags test`, `connections test`, `dag.test()` in an editor.

It has a home and a metadata database of its own (SQLite), so a test never shares the running scheduler's. Connections
and settings are those of the running system, and are in var/airflow.env for a shell or an editor.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from include.local.addresses import find_addresses
from include.local.environment import part_environment, shell_text
from include.local.part import LocalError
from include.local.secrets import kept_secrets, write_private
from include.local.settings import ROOT, LocalSettings

MIGRATION_SECONDS = 300


def airflow_environment(settings: LocalSettings) -> dict[str, str]:
    """What Airflow's command needs: its home, where the DAGs are, Connections, the settings of OMS."""
    whole = part_environment(settings, find_addresses(settings, kept_secrets(settings.var_dir / "secrets.json")))
    return {
        **{name: value for name, value in whole.items() if name.startswith(("AIRFLOW_CONN_", "OMS_"))},
        "AIRFLOW_HOME": str(_home(settings)),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_home(settings) / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__DAG_DISCOVERY_SAFE_MODE": "False",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "PYTHONPATH": str(ROOT),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
    }


def run_airflow(arguments: Sequence[str], settings: LocalSettings) -> int:
    """Write var/airflow.env and run Airflow's command; without arguments, say how to use the file.

    Returns the exit code. Raises LocalError where the metadata database cannot be made.
    """
    environment = airflow_environment(settings)
    file = settings.var_dir / "airflow.env"
    write_private(file, shell_text(environment))
    _make_database(settings, environment)
    if not arguments:
        print(f"For a shell: . {file}\nFor an editor: the variables of this file, and the interpreter {sys.executable}")
        return 0
    return subprocess.run(_airflow(*arguments), env=os.environ | environment, cwd=ROOT, check=False).returncode  # noqa: S603


def _home(settings: LocalSettings) -> Path:
    return settings.var_dir / "airflow-test"


def _make_database(settings: LocalSettings, environment: dict[str, str]) -> None:
    """Migrate the metadata database where this version of Airflow has not done so yet: some ten seconds, once."""
    stamp, wanted = _home(settings) / "migrated", version("apache-airflow")
    if stamp.exists() and stamp.read_text() == wanted:
        return
    done = subprocess.run(  # noqa: S603
        _airflow("db", "migrate"),
        env=os.environ | environment, cwd=ROOT, check=False, capture_output=True, text=True, timeout=MIGRATION_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise LocalError(f"Airflow's database for tests cannot be made: {done.stderr.strip()[-1000:]}")
    stamp.write_text(wanted)


def _airflow(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "airflow", *arguments]
