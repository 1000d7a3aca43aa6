"""The operator: clears red task instances, as Airflow's Clear button does."""

from __future__ import annotations

from collections.abc import Mapping

import httpx

from include.local.chaos.rows import RedSlice
from include.oms.words.model import Job

MAPPED_TASKS: dict[str, str] = {Job.PROCESSING: "process_slice", Job.MONITORING: "poll_slice"}
CALL_SECONDS = 20


def clear(env: Mapping[str, str], red: RedSlice) -> None:
    """Clear the task instance that worked a slice. ``env`` is the client's environment. Raises httpx.HTTPError."""
    what = {
        "dry_run": False,
        "dag_run_id": red.dag_run_id,
        "task_ids": [[MAPPED_TASKS[red.job], red.map_index]],
        "include_downstream": True,
        "only_failed": False,
        "reset_dag_runs": True,
    }
    with _client(env) as client:
        client.post(f"/api/v2/dags/{red.job}/clearTaskInstances", json=what).raise_for_status()


def _client(env: Mapping[str, str]) -> httpx.Client:
    url, login = env["AIRFLOW_URL"], {"username": env["AIRFLOW_USER"], "password": env["AIRFLOW_PASSWORD"]}
    token = httpx.post(f"{url}/auth/token", json=login, timeout=CALL_SECONDS).raise_for_status().json()["access_token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=CALL_SECONDS)
