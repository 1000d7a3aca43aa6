"""Calls of the runner to Airflow's API."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Any

import httpx

from include.local.part import LocalError, NotReady
from include.local.probes import http_answers
from include.local.secrets import Secrets
from include.local.settings import LocalSettings

JOBS = ("document_processing", "document_monitoring")
CALL_SECONDS = 10
LOOK_SECONDS = 0.5
READ_SECONDS = 20  # for files of other jobs, once both jobs are known


def airflow_url(settings: LocalSettings) -> str:
    """Address of Airflow's UI and API."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def why_unread(file: str, stack_trace: str) -> str:
    """Why Airflow cannot read a file, in one line: the file, the last of its lines in the trace, the error."""
    lines = re.findall(rf'File ".*{re.escape(PurePath(file).name)}", line (\d+)', stack_trace)
    return f"{file}{f', line {lines[-1]}' if lines else ''} cannot be read: {stack_trace.strip().splitlines()[-1]}"


class AirflowApi:
    """Calls to Airflow's API, as the user admin."""

    def __init__(self, settings: LocalSettings, secrets: Secrets) -> None:
        self._url, self._secrets = airflow_url(settings), secrets
        self._since = datetime.now(UTC)
        self._jobs_known_at: float | None = None

    def check_heartbeat(self, component: str) -> None:
        """Raise NotReady until the component has sent a heartbeat since this object was made."""
        try:
            health = httpx.get(f"{self._url}/api/v2/monitor/health", timeout=CALL_SECONDS).json()[component]
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise NotReady(f"Airflow's API does not answer yet: {error}") from error
        heartbeat = health.get(f"latest_{component}_heartbeat")
        if health.get("status") != "healthy" or datetime.fromisoformat(heartbeat) < self._since:
            raise NotReady(f"Airflow has had no heartbeat of it yet: {health}")

    def check_tasks_can_run(self) -> None:
        """Raise NotReady until there is a scheduler, and the API that its tasks talk to.

        Airflow builds that API at the first call, which takes 2-3 s. This call does it before the first task.
        """
        http_answers(f"{self._url}/execution/health", CALL_SECONDS)
        self.check_heartbeat("scheduler")

    def set_paused(self, dag_ids: Iterable[str], paused: bool) -> None:
        """Pause or resume DAGs and check the result. Raises LocalError if Airflow refuses."""
        with self._calling("do that") as client:
            for dag_id in dag_ids:
                dag = client.patch(f"/api/v2/dags/{dag_id}", json={"is_paused": paused}).raise_for_status().json()
                if not paused:  # reparse its file, so that it gets its watcher back at once
                    client.put(f"/api/v2/parseDagFile/{dag['file_token']}").raise_for_status()
            states = {dag_id: self._dags(client).get(dag_id, {}).get("is_paused") for dag_id in dag_ids}
        if set(states.values()) != {paused}:
            raise LocalError(f"Airflow did not change what is paused: {states}")

    def run_once(self, dag_id: str, patience_seconds: float) -> str:
        """Start a run, wait for its end, return its state. Raises LocalError if it does not end in time."""
        runs = f"/api/v2/dags/{dag_id}/dagRuns"
        deadline = time.monotonic() + patience_seconds
        with self._calling(f"run {dag_id}") as client:
            started = client.post(runs, json={"logical_date": None}).raise_for_status().json()
            while time.monotonic() < deadline:
                run = client.get(f"{runs}/{started['dag_run_id']}").raise_for_status().json()
                if run["state"] in ("success", "failed"):
                    return str(run["state"])
                time.sleep(LOOK_SECONDS)
        raise LocalError(f"A run of {dag_id} has not ended after {patience_seconds:.0f} s.")

    def check_dags(self, files: Iterable[str]) -> None:
        """Raise NotReady until Airflow has read both jobs and these files, or has had ``READ_SECONDS`` for the files.

        A file may make no DAG, or several: whatever it is, both jobs run without it.
        """
        try:
            with self._calling("say what it has read") as client:
                dags, broken = self._dags(client), self._import_errors(client)
        except LocalError as error:
            raise NotReady(str(error)) from error
        unread = set(files) - {dag["relative_fileloc"] for dag in dags.values()} - {it["filename"] for it in broken}
        if not set(JOBS) <= dags.keys():
            if broken and not unread:
                return
            raise NotReady(f"Airflow has not read these files yet: {', '.join(sorted(unread))}")
        self._jobs_known_at = self._jobs_known_at or time.monotonic()
        if unread and time.monotonic() < self._jobs_known_at + READ_SECONDS:
            raise NotReady(f"Airflow has not read these files yet: {', '.join(sorted(unread))}")

    def dag_ids(self) -> list[str]:
        """Every DAG that Airflow knows. Raises LocalError if it does not answer."""
        with self._calling("say which DAGs it has") as client:
            return list(self._dags(client))

    def complaints(self, files: Iterable[str] = ()) -> list[str]:
        """The reasons why DAGs do not run: files that cannot be read or make none, and jobs that are paused.

        Raises LocalError if Airflow does not answer.
        """
        with self._calling("say what it has read") as client:
            errors, dags = self._import_errors(client), self._dags(client)
        read = {dag["relative_fileloc"] for dag in dags.values()} | {it["filename"] for it in errors}
        return [
            *(why_unread(it["filename"], it["stack_trace"]) for it in errors),
            *(f"{file} makes no DAG: call the function under @dag" for file in sorted(set(files) - read)),
            *(f"{dag_id} is paused: make resume" for dag_id in JOBS if dags.get(dag_id, {}).get("is_paused")),
        ]

    @staticmethod
    def _import_errors(client: httpx.Client) -> list[dict[str, Any]]:
        errors: list[dict[str, Any]] = client.get("/api/v2/importErrors").raise_for_status().json()["import_errors"]
        return errors

    @staticmethod
    def _dags(client: httpx.Client) -> dict[str, dict[str, Any]]:
        """Every DAG that Airflow knows, by its id."""
        answer = client.get("/api/v2/dags", params={"limit": 100}).raise_for_status()
        return {dag["dag_id"]: dag for dag in answer.json()["dags"]}

    @contextmanager
    def _calling(self, what: str) -> Iterator[httpx.Client]:
        """Calls to Airflow. Whatever goes wrong with one is a LocalError: Airflow does not do ``what``."""
        try:
            with self._client() as client:
                yield client
        except (httpx.HTTPError, KeyError, ValueError) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
            raise LocalError(f"Airflow at {self._url} does not {what}: {why}. Is the system up?") from error

    def _client(self) -> httpx.Client:
        login = {"username": "admin", "password": self._secrets.airflow_passwords["admin"]}
        token = httpx.post(f"{self._url}/auth/token", json=login, timeout=CALL_SECONDS).raise_for_status().json()
        headers = {"Authorization": f"Bearer {token['access_token']}"}
        return httpx.Client(base_url=self._url, headers=headers, timeout=CALL_SECONDS)
