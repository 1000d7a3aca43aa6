"""The whole system, started once for all end-to-end tests, in a folder and on ports of its own."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition

from include.local.settings import LocalSettings
from include.local.system import System
from include.oms.testing.folders import memory_folder
from include.oms.testing.kafka import free_port

T = TypeVar("T")
PARTS = ("postgres", "kafka", "reference_data", "thunderhead", "intake", "airflow")


def wait_for(what: Callable[[], str], look: Callable[[], T | None], seconds: float = 180) -> T:
    """The first thing that ``look`` finds. Fails with ``what`` was waited for where it finds nothing in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.2)
    raise AssertionError(f"{what()}: not within {seconds:.0f} s")


@dataclass
class Client:
    """The system as its users meet it: over HTTP, through Airflow's API, and on Kafka."""

    env: dict[str, str]
    intake: httpx.Client
    airflow: httpx.Client
    thunderhead: httpx.Client
    passwords: dict[str, str]  # of Airflow's users: admin, operator, viewer
    system: System

    def post(self, **content: Any) -> int:
        """Hand a request in; its id."""
        answer = self.intake.post(
            "/v1/document-requests",
            json={
                "document_type": "INVOICE", "document_name": "IVZRECPA", "document_language": "EN",
                "source_environment": "DEV", "request_correlation_id": uuid4().hex, "document_content": content,
            },
        )  # fmt: skip
        assert answer.status_code == 202, answer.text
        return int(answer.json()["request_id"])

    def get(self, request_id: int) -> dict[str, Any]:
        """A request as its client sees it."""
        answer = self.intake.get(f"/v1/document-requests/{request_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def timeline(self, request_id: int) -> list[str]:
        """What happened to a request, in one word each."""
        items = self.intake.get(f"/v1/document-requests/{request_id}/timeline").json()["items"]
        return [item["event"] for item in items]

    def ended(self, request_id: int, revision: int = 1) -> dict[str, Any]:
        """The request, once it has reached its end for the ``revision``-th time."""

        def look() -> dict[str, Any] | None:
            request = self.get(request_id)
            return request if request["ended_at"] and request["revision"] >= revision else None

        return wait_for(lambda: f"end {revision} of request {request_id}, {self.timeline(request_id)}", look)

    def control(self, **told: Any) -> None:
        """Tell the Thunderhead simulator how to behave."""
        assert self.thunderhead.put("/control", json=told).status_code == 200

    def red_task_instance(self, request_id: int, dag_id: str, task_id: str) -> dict[str, Any]:
        """The failed mapped task instance that brought the request to its end, as the request's page links to it."""

        def look() -> dict[str, Any] | None:
            timeline = self.airflow.get(f"/oms/api/requests/{request_id}").json()["timeline"]
            ends = [entry for entry in timeline if entry["event"] in ("FAILED", "STOPPED") and entry["job"] == dag_id]
            if not ends:
                return None
            where = f"/api/v2/dags/{dag_id}/dagRuns/{quote(ends[-1]['dag_run_id'])}/taskInstances/{task_id}"
            found: dict[str, Any] = self.airflow.get(f"{where}/{ends[-1]['map_index']}").json()
            return found if found.get("state") == "failed" else None

        return wait_for(lambda: f"a red task instance of {dag_id} for request {request_id}", look)

    def clear(self, task_instance: dict[str, Any]) -> None:
        """What the UI's Clear button sends."""
        answer = self.airflow.post(
            f"/api/v2/dags/{task_instance['dag_id']}/clearTaskInstances",
            json={
                "dry_run": False,
                "dag_run_id": task_instance["dag_run_id"],
                "task_ids": [[task_instance["task_id"], task_instance["map_index"]]],
                "include_downstream": True,
                "only_failed": False,
                "reset_dag_runs": True,
            },
        )
        assert answer.status_code == 200, answer.text

    def events_of(self, request_id: int, n: int) -> list[dict[str, Any]]:
        """The final events of a request, once there are ``n``."""

        def look() -> list[dict[str, Any]] | None:
            mine = [event for event in self.events() if event["data"]["request_id"] == request_id]
            return mine if len(mine) >= n else None

        return wait_for(lambda: f"{n} events of request {request_id}", look)

    def events(self) -> list[dict[str, Any]]:
        """Every final event on Kafka so far."""
        bootstrap, topic = self.env["OMS_KAFKA_BOOTSTRAP"], self.env["OMS_KAFKA_TOPIC"]
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": uuid4().hex, "enable.partition.eof": True})
        try:
            partitions = consumer.list_topics(topic, timeout=60).topics[topic].partitions
            consumer.assign([TopicPartition(topic, number, 0) for number in partitions])
            events, at_end = [], 0
            while at_end < len(partitions):
                message = consumer.poll(60)
                assert message is not None, "the broker does not answer"
                if message.error():
                    at_end += 1
                else:
                    events.append(json.loads(message.value() or b""))
            return events
        finally:
            consumer.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First the tests that have a system of their own: the one that the others share starts when those have stopped."""
    items.sort(key=lambda item: item.path.name not in ("test_add_a_job.py", "test_fixed_schedules.py"))


@pytest.fixture(scope="session")
def client() -> Iterator[Client]:
    """The running system."""
    with running() as it:
        yield it


@contextmanager
def running(**settings: Any) -> Iterator[Client]:
    """A system of its own, under these settings (``early_wake=False``)."""
    with tempfile.TemporaryDirectory(prefix="oms-e2e-", dir=memory_folder(), ignore_cleanup_errors=True) as folder:
        ports = {f"{part}_port": free_port() for part in PARTS}
        with System(LocalSettings(var_dir=Path(folder) / "var", **ports, **settings)) as system:
            env = system.env
            token = httpx.post(
                f"{env['AIRFLOW_URL']}/auth/token",
                json={"username": env["AIRFLOW_USER"], "password": env["AIRFLOW_PASSWORD"]},
            ).json()["access_token"]
            with (
                _http(env["OMS_INTAKE_URL"], env["OMS_TOKEN"]) as intake,
                _http(env["AIRFLOW_URL"], token) as airflow,
                _http(env["OMS_THUNDERHEAD_URL"], system.addresses.thunderhead_token) as thunderhead,
            ):
                yield Client(env, intake, airflow, thunderhead, system.secrets.airflow_passwords, system)


def _http(url: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60)
