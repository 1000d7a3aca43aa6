"""Airflow is set up in containers as on one machine, where the difference is not meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.local.addresses import PRODUCER
from include.local.airflow import configuration
from include.local.secrets import Secrets
from include.local.settings import LocalSettings

# What differs, and why.
DIFFERENT = {
    "core.executor": "many machines",
    "core.parallelism": "many machines",
    "core.dags_folder": "of the image",
    "core.plugins_folder": "of the image",
    "core.test_connection": "of development",
    "core.fernet_key": "secret",
    "core.simple_auth_manager_users": "users are FAB's",
    "core.simple_auth_manager_passwords_file": "users are FAB's",
    "core.execution_api_server_url": "an address of its own",
    "database.sql_alchemy_conn": "an address of its own",
    "api.host": "a container has its own address",
    "api.port": "a container has its own address",
    "api.base_url": "an address of its own",
    "api.workers": "more to serve",
    "api.secret_key": "secret",
    "api_auth.jwt_secret": "secret",
    "logging.base_log_folder": "AIRFLOW_HOME's",
    "dag_processor.dag_bundle_storage_path": "AIRFLOW_HOME's",
}
SERVICES = ("airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer", "airflow-worker")


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_not_meant_to_differ_is_the_same(compose: dict[str, Any], service: str) -> None:
    environment = compose["services"][service]["environment"]
    for section, values in configuration(LocalSettings(), Secrets()).items():
        for key, value in values.items():
            if f"{section}.{key}" not in DIFFERENT:
                assert environment.get(f"AIRFLOW__{section}__{key}".upper()) == value, f"{section}.{key}"


def test_all_of_airflow_has_one_environment(compose: dict[str, Any]) -> None:
    """But for the role in the OMS Database, which is the console's in the API server."""
    first = compose["services"]["airflow-worker"]["environment"]
    for name in SERVICES:
        own = {"AIRFLOW_CONN_OMS_DB": first["AIRFLOW_CONN_OMS_DB"]} if name == "airflow-api-server" else {}
        assert compose["services"][name]["environment"] | own == first, name
    migrations = dict(compose["services"]["airflow-migrations"]["environment"])
    assert migrations.pop("AIRFLOW_ADMIN_PASSWORD"), "it makes the first user; nobody else need know"
    assert migrations == first


def test_the_producer_is_the_same(compose: dict[str, Any]) -> None:
    connection = json.loads(compose["services"]["airflow-worker"]["environment"]["AIRFLOW_CONN_KAFKA_DEFAULT"])
    assert PRODUCER.items() <= connection["extra"].items()
