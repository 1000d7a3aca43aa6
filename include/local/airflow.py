"""Airflow on this machine: its configuration file, its four processes, and its API."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from configparser import ConfigParser
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import httpx

from include.local.part import Listen, LocalError, NotReady, Part
from include.local.postgres import airflow_database_url
from include.local.probes import http_answers
from include.local.secrets import Secrets, write_private
from include.local.settings import ROOT, LocalSettings

JOBS = ("document_processing", "document_monitoring")
ROLES = {"admin": "admin", "operator": "op", "viewer": "viewer"}
CALL_SECONDS = 10


def airflow_home(settings: LocalSettings) -> Path:
    """AIRFLOW_HOME: configuration, passwords, logs of task instances."""
    return settings.var_dir / "airflow"


def airflow_url(settings: LocalSettings) -> str:
    """Its UI and API."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def airflow_parts(settings: LocalSettings, secrets: Secrets) -> list[Part]:
    """The database's migration, then the four processes. Tasks run in forks of the scheduler."""
    api = AirflowApi(settings, secrets)

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
            listen=Listen(settings.airflow_port, "OMS_AIRFLOW_PORT"),
            probe=lambda: http_answers(f"{airflow_url(settings)}/api/v2/monitor/health"),
        ),
        Part(
            name="dag-processor",
            command=_airflow("dag-processor"),
            needs=("airflow-migrations",),
            probe=lambda: api.check_dags(dag_ids()),
        ),
        Part(
            name="triggerer",
            command=_airflow("triggerer", "--skip-serve-logs"),  # the files are on this machine
            needs=("airflow-migrations",),
            probe=lambda: api.check_heartbeat("triggerer"),
            stop_seconds=3,  # with watchers it does not end by itself (3.3.2), and it has nothing to finish
        ),
        Part(
            name="scheduler",
            command=_airflow("scheduler", "--skip-serve-logs"),
            needs=("api-server",),  # tasks report to it, to the last
            probe=api.check_tasks_can_run,
        ),
    ]


def dag_ids() -> list[str]:
    """The DAGs that there are: one a file, of the file's name."""
    return [file.stem for file in (ROOT / "dags").glob("*.py")]


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
            "parallelism": "8",
            "dags_folder": str(ROOT / "dags"),
            "plugins_folder": str(ROOT / "plugins"),
            "load_examples": "False",
            "dags_are_paused_at_creation": "False",
            "fernet_key": secrets.fernet_key,
            "simple_auth_manager_users": ",".join(f"{user}:{role}" for user, role in ROLES.items()),
            "simple_auth_manager_passwords_file": str(home / "passwords.json"),
            "execution_api_server_url": f"{airflow_url(settings)}/execution/",
        }
        # Forks share what the scheduler has imported; elsewhere than on Linux forking is not safe.
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
            # A killed scheduler's task instances are given back within seconds, not minutes.
            "scheduler_heartbeat_sec": "2",
            "scheduler_health_check_threshold": "10",
            "orphaned_tasks_check_interval": "5",
            "task_instance_heartbeat_timeout": "60",
        },
        "dag_processor": {"refresh_interval": "5", "dag_bundle_storage_path": str(home / "bundles")},
    }


class AirflowApi:
    """What the runner asks of Airflow, as the user admin."""

    def __init__(self, settings: LocalSettings, secrets: Secrets) -> None:
        self._url, self._secrets = airflow_url(settings), secrets
        self._since = datetime.now(UTC)

    def check_heartbeat(self, component: str) -> None:
        """Raise NotReady until the component has told that it lives, since this object was made."""
        try:
            health = httpx.get(f"{self._url}/api/v2/monitor/health", timeout=CALL_SECONDS).json()[component]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise NotReady(f"Airflow's API does not answer yet: {error}") from error
        heartbeat = health.get(f"latest_{component}_heartbeat")
        if health.get("status") != "healthy" or datetime.fromisoformat(heartbeat) < self._since:
            raise NotReady(f"Airflow has had no heartbeat of it yet: {health}")

    def check_tasks_can_run(self) -> None:
        """Raise NotReady until there is a scheduler, and the API that its tasks talk to.

        Airflow builds that API when it is first asked, which takes 2-3 s: better now than in the first task.
        """
        http_answers(f"{self._url}/execution/health", CALL_SECONDS)
        self.check_heartbeat("scheduler")

    def set_paused(self, dag_ids: Iterable[str], paused: bool) -> None:
        """Stop or start schedules, and see that it is so. Raises LocalError where Airflow will not."""
        try:
            with self._client() as client:
                for dag_id in dag_ids:
                    client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": paused}).raise_for_status()
                states = {dag_id: self._dags(client).get(dag_id) for dag_id in dag_ids}
        except httpx.HTTPError as error:
            why = str(error).splitlines()[0]
            raise LocalError(f"Airflow at {self._url} does not do that: {why}. Is the system up?") from error
        if set(states.values()) != {paused}:
            raise LocalError(f"Airflow says otherwise of what is paused: {states}")

    def check_dags(self, expected: Iterable[str]) -> None:
        """Raise NotReady until Airflow knows the DAGs, or has told of a file that it cannot read."""
        try:
            with self._client() as client:
                missing = set(expected) - self._dags(client).keys()
                broken = client.get("/api/v2/importErrors").raise_for_status().json()["total_entries"]
        except (httpx.HTTPError, KeyError, ValueError) as error:
            raise NotReady(f"Airflow's API does not answer yet: {error}") from error
        if missing and not broken:
            raise NotReady(f"Airflow has not read these DAGs yet: {', '.join(sorted(missing))}")

    def complaints(self) -> list[str]:
        """What keeps DAGs from running: files that cannot be read, and jobs that are paused."""
        with self._client() as client:
            errors = client.get("/api/v2/importErrors").raise_for_status().json()["import_errors"]
            paused = [dag_id for dag_id, is_paused in self._dags(client).items() if is_paused]
        return [
            *(f"{it['filename']} cannot be read: {it['stack_trace'].strip().splitlines()[-1]}" for it in errors),
            *(f"{dag_id} is paused: make resume" for dag_id in paused if dag_id in JOBS),
        ]

    @staticmethod
    def _dags(client: httpx.Client) -> dict[str, bool]:
        """Every DAG that Airflow knows, and whether it is paused."""
        answer = client.get("/api/v2/dags", params={"limit": 100}).raise_for_status()
        return {dag["dag_id"]: dag["is_paused"] for dag in answer.json()["dags"]}

    def _client(self) -> httpx.Client:
        login = {"username": "admin", "password": self._secrets.airflow_passwords["admin"]}
        token = httpx.post(f"{self._url}/auth/token", json=login, timeout=CALL_SECONDS).raise_for_status().json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        return httpx.Client(base_url=self._url, headers=headers, timeout=CALL_SECONDS)
