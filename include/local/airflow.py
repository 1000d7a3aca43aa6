"""Airflow on this machine: its configuration file and its four processes."""

from __future__ import annotations

import json
import re
import sys
from configparser import ConfigParser
from io import StringIO
from pathlib import Path

from include.local.addresses import Addresses
from include.local.airflow_api import AirflowApi, airflow_url
from include.local.part import Listen, Part
from include.local.postgres import airflow_database_url
from include.local.probes import http_answers
from include.local.secrets import Secrets, write_private
from include.local.settings import ROOT, LocalSettings

_MAKES_A_DAG = re.compile(r"^(@dag\b|with DAG\(|(\w+ = )?(DAG|item_job)\()", re.MULTILINE)
LEAST_PARALLELISM = 16  # task instances at the same time
ROLES = {"admin": "admin", "operator": "op", "viewer": "viewer"}


def airflow_home(settings: LocalSettings) -> Path:
    """AIRFLOW_HOME: configuration, passwords, logs of task instances."""
    return settings.var_dir / "airflow"


def airflow_parts(settings: LocalSettings, addresses: Addresses, secrets: Secrets) -> list[Part]:
    """The database's migration, then the four processes. Tasks run in forks of the scheduler."""
    api = AirflowApi(settings, secrets)
    console = {} if "oms_db" in addresses.given else {"AIRFLOW_CONN_OMS_DB": addresses.database_url_of("oms_console")}

    return [
        Part(
            name="airflow-migrations",
            command=_airflow("db", "migrate"),
            needs=("postgresql",),
            prepare=lambda: write_airflow_home(settings, secrets),
            once=True,
        ),
        Part(
            name="api-server",
            command=_airflow("api-server"),
            needs=("airflow-migrations",),
            env=console,
            listen=Listen(settings.airflow_port, "OMS_AIRFLOW_PORT"),
            probe=lambda: http_answers(f"{airflow_url(settings)}/api/v2/monitor/health"),
        ),
        Part(
            name="dag-processor",
            command=_airflow("dag-processor"),
            needs=("airflow-migrations",),
            probe=lambda: api.check_dags(files_with_dags()),
        ),
        Part(
            name="triggerer",
            command=_airflow("triggerer", "--skip-serve-logs"),  # the files are on this machine
            needs=("airflow-migrations",),
            probe=lambda: api.check_heartbeat("triggerer"),
            stop_seconds=3,  # with watchers it ignores SIGTERM (3.3.2), and it has nothing to finish
        ),
        Part(
            name="scheduler",
            command=_airflow("scheduler", "--skip-serve-logs"),
            needs=("api-server",),  # tasks report to it until they end
            probe=api.check_tasks_can_run,
        ),
    ]


def files_with_dags(folder: Path = ROOT / "dags") -> set[str]:
    """The files that look as if they made a DAG, relative to the folder. A helper module does not."""
    files = (file for file in folder.rglob("*.py") if _MAKES_A_DAG.search(file.read_text("utf-8", "replace")))
    return {str(file.relative_to(folder)) for file in files}


def _airflow(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "airflow", *arguments)


def write_airflow_home(settings: LocalSettings, secrets: Secrets) -> None:
    """Write airflow.cfg (what differs from the defaults, secrets included) and the UI's passwords."""
    home = airflow_home(settings)
    parser = ConfigParser(interpolation=None)
    parser.read_dict(configuration(settings, secrets))
    text = StringIO()
    parser.write(text)
    write_private(home / "airflow.cfg", text.getvalue().replace("%", "%%"))
    write_private(home / "passwords.json", json.dumps(secrets.airflow_passwords))


def configuration(settings: LocalSettings, secrets: Secrets) -> dict[str, dict[str, str]]:
    """Airflow's settings by section. AIRFLOW__SECTION__KEY in the environment wins over each."""
    home = airflow_home(settings)
    return {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": str(max(LEAST_PARALLELISM, 2 * settings.max_slices)),  # both jobs at the same time
            "dags_folder": str(ROOT / "dags"),
            "plugins_folder": str(ROOT / "plugins"),
            "load_examples": "False",
            "dag_discovery_safe_mode": "False",  # else a DAG of item_job whose file never says "airflow" is left out
            "test_connection": "Enabled",  # on this machine alone; see Airflow's security model
            "dags_are_paused_at_creation": "False",
            "fernet_key": secrets.fernet_key,
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in ROLES.items()),
            "simple_auth_manager_passwords_file": str(home / "passwords.json"),
            "execution_api_server_url": f"{airflow_url(settings)}/execution/",
        }
        # Forks share what the scheduler has imported. Only on Linux is forking safe.
        | ({"mp_start_method": "fork"} if sys.platform == "linux" else {}),
        "database": {"sql_alchemy_conn": airflow_database_url(settings, secrets)},
        "api": {
            "host": "127.0.0.1",
            "port": str(settings.airflow_port),
            "base_url": airflow_url(settings),
            "workers": "1",
            "secret_key": secrets.api_secret_key,
        },
        "api_auth": {"jwt_secret": secrets.jwt_secret},
        "logging": {"base_log_folder": str(home / "logs"), "colored_console_log": "False"},
        "workers": {"min_heartbeat_interval": "1"},
        "scheduler": {
            "scheduler_idle_sleep_time": "0.2",
            # Task instances of a killed scheduler are adopted within seconds, not minutes.
            "scheduler_heartbeat_sec": "2",
            "scheduler_health_check_threshold": "10",
            "orphaned_tasks_check_interval": "5",
            "task_instance_heartbeat_timeout": "60",
        },
        # The same for the watchers of a killed triggerer.
        "triggerer": {"job_heartbeat_sec": "2", "triggerer_health_check_threshold": "10"},
        "dag_processor": {"refresh_interval": "5", "dag_bundle_storage_path": str(home / "bundles")},
    }
