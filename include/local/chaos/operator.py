"""The operator: what a person does in Airflow, in its console, and at the Reference Data API.

``env`` is the client's environment. Each function raises httpx.HTTPError.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import httpx

from include.local.chaos.rows import RedSlice
from include.oms.words.model import Job

MAPPED_TASKS: dict[str, str] = {Job.PROCESSING: "process_slice", Job.MONITORING: "poll_slice"}
CALL_SECONDS = 20


def clear(env: Mapping[str, str], red: RedSlice) -> None:
    """Clear the task instance that worked a slice, as Airflow's Clear button does."""
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


def write_token(env: Mapping[str, str], token: str) -> None:
    """Make the Connection to Thunderhead, or write its token anew."""
    name, row = "thunderhead_api", {"conn_type": "http", "host": env["OMS_THUNDERHEAD_URL"], "password": token}
    connection = row | {"connection_id": name, "extra": json.dumps({"Authorization": f"Bearer {token}"})}
    with _client(env) as client:
        answer = client.patch(f"/api/v2/connections/{name}", json=connection)
        if answer.status_code == httpx.codes.NOT_FOUND:
            answer = client.post("/api/v2/connections", json=connection)
        answer.raise_for_status()


def publish_set_aside(env: Mapping[str, str], topic: str) -> None:
    """Have the events of a topic that were set aside published after all."""
    headers = {"X-OMS-Console": "chaos"}  # no page of another site can send it
    with _client(env) as client:
        for row in client.get("/oms/api/outbox").raise_for_status().json():
            if row["is_set_aside"] and row["topic"] == topic:
                group = {name: row[name] for name in ("topic", "reason")}
                client.post("/oms/api/outbox/releases", json=group, headers=headers).raise_for_status()


def give_topic(env: Mapping[str, str], token: str, document: str, topic: str) -> None:
    """Configure the topic of a document's final events. ``token`` may edit reference data."""
    row = {"footerId": "0", "appDocSpec": document, "code": "TOPIC_NAME", "value": topic}
    url, headers = f"{env['OMS_REFERENCE_DATA_URL']}/v1/document-configurations", {"Authorization": f"Bearer {token}"}
    httpx.post(url, json=row, headers=headers, timeout=CALL_SECONDS).raise_for_status()


def _client(env: Mapping[str, str]) -> httpx.Client:
    url, login = env["AIRFLOW_URL"], {"username": env["AIRFLOW_USER"], "password": env["AIRFLOW_PASSWORD"]}
    token = httpx.post(f"{url}/auth/token", json=login, timeout=CALL_SECONDS).raise_for_status().json()["access_token"]
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=CALL_SECONDS)
