"""What the environment's connections replace, and where everything is then. Airflow reads the connections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from include.local.addresses import connections, find_addresses
from include.local.part import LocalError
from include.local.secrets import Secrets
from include.local.settings import LocalSettings
from include.local.system import System
from tests.local_settings import local_settings, nobodys_environment, secrets

__all__ = ["local_settings", "nobodys_environment", "secrets"]
pytestmark = pytest.mark.usefixtures("nobodys_environment")


def test_without_a_connection_given_everything_is_on_this_machine(
    local_settings: LocalSettings, secrets: Secrets
) -> None:
    addresses = find_addresses(local_settings, secrets)
    assert addresses.given == frozenset()
    assert addresses.thunderhead_url == "http://127.0.0.1:18082"
    assert addresses.reference_data_url == addresses.intake_reference_data_url == "http://127.0.0.1:18081"
    assert addresses.kafka_bootstrap == "127.0.0.1:19092"
    assert addresses.database_url == f"postgresql://oms:{secrets.oms_database_password}@127.0.0.1:15432/oms"


def test_ports_move_by_setting(tmp_path: Path, secrets: Secrets) -> None:
    addresses = find_addresses(LocalSettings(var_dir=tmp_path, thunderhead_port=1234, kafka_port=2345), secrets)
    assert (addresses.thunderhead_url, addresses.kafka_bootstrap) == ("http://127.0.0.1:1234", "127.0.0.1:2345")


@pytest.mark.parametrize(
    ("text", "url", "token"),
    [
        ("http://:tok@thunder.example:8080", "http://thunder.example:8080", "tok"),
        ("http://thunder.example/https", "https://thunder.example", ""),
        (json.dumps({"conn_type": "http", "host": "https://x.example/", "password": "p"}), "https://x.example", "p"),
        ('{"conn_type": "http", "host": "x.example", "schema": "https", "port": 443}', "https://x.example:443", ""),
    ],
)  # fmt: skip
def test_a_given_thunderhead_is_read_in_either_form(
    monkeypatch: pytest.MonkeyPatch, secrets: Secrets, text: str, url: str, token: str
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_THUNDERHEAD_API", text)
    addresses = find_addresses(LocalSettings(), secrets)
    assert (addresses.thunderhead_url, addresses.thunderhead_token) == (url, token)
    assert addresses.given == {"thunderhead_api"}


@pytest.mark.parametrize("host", ["db.example", "::1", "/var/run/postgresql"])
@pytest.mark.parametrize("schema", ["oms", "oms prod", "o'ms%", "ö/ms?x=1"])
def test_a_database_is_found_whatever_its_name(
    monkeypatch: pytest.MonkeyPatch, secrets: Secrets, host: str, schema: str
) -> None:
    given = {"conn_type": "postgres", "host": host, "schema": schema, "login": "m:e", "password": "p@ss/%"}
    monkeypatch.setenv("AIRFLOW_CONN_OMS_DB", json.dumps(given))
    found = conninfo_to_dict(find_addresses(LocalSettings(), secrets).database_url)
    assert found == {"host": host, "port": "5432", "dbname": schema, "user": "m:e", "password": "p@ss/%"}


def test_the_database_and_the_broker_can_be_given(monkeypatch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OMS_DB", "postgresql://me:p%40ss@db.example:6543/oms?sslmode=require")
    monkeypatch.setenv(
        "AIRFLOW_CONN_KAFKA_DEFAULT", "kafka://?bootstrap.servers=k.example%3A9093&security.protocol=SSL"
    )
    addresses = find_addresses(LocalSettings(), secrets)
    assert addresses.database_url == "postgresql://me:p%40ss@db.example:6543/oms?sslmode=require"
    assert addresses.kafka == {"bootstrap.servers": "k.example:9093", "security.protocol": "SSL"}


@pytest.mark.parametrize("extra", ['{"iam": true}', '{"options": {"a": "b"}}'])
def test_an_extra_that_would_get_lost_is_named(monkeypatch: pytest.MonkeyPatch, secrets: Secrets, extra: str) -> None:
    given = f'{{"conn_type": "postgres", "host": "db.example", "schema": "oms", "extra": {extra}}}'
    monkeypatch.setenv("AIRFLOW_CONN_OMS_DB", given)
    with pytest.raises(LocalError, match=r"AIRFLOW_CONN_OMS_DB: the extra '(iam|options)'"):
        find_addresses(LocalSettings(), secrets)


def test_a_token_of_ours_is_where_stock_operators_look(local_settings: LocalSettings, secrets: Secrets) -> None:
    written = connections(find_addresses(local_settings, secrets), reference_data_token="t")
    told = json.loads(written["AIRFLOW_CONN_REFERENCE_DATA_API"])
    assert (told["password"], told["extra"]) == ("t", {"Authorization": "Bearer t"})


def test_the_intake_may_use_other_reference_data_than_the_jobs(
    monkeypatch: pytest.MonkeyPatch, secrets: Secrets
) -> None:
    monkeypatch.setenv("OMS_REFERENCE_DATA_URL", "http://elsewhere.example")
    addresses = find_addresses(LocalSettings(), secrets)
    assert addresses.intake_reference_data_url == "http://elsewhere.example"
    assert addresses.reference_data_url == "http://127.0.0.1:18081"


def test_what_is_given_is_not_written_again(monkeypatch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_THUNDERHEAD_API", "http://:tok@thunder.example")
    written = connections(find_addresses(LocalSettings(), secrets))
    assert written.keys() == {"AIRFLOW_CONN_OMS_DB", "AIRFLOW_CONN_KAFKA_DEFAULT", "AIRFLOW_CONN_REFERENCE_DATA_API"}


def test_a_connection_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KAFKA_DEFAULT", "{not json")
    with pytest.raises(LocalError, match="AIRFLOW_CONN_KAFKA_DEFAULT"):
        find_addresses(LocalSettings(), secrets)


@pytest.mark.parametrize(
    ("connection", "part"),
    [
        ("AIRFLOW_CONN_THUNDERHEAD_API", "thunderhead"),
        ("AIRFLOW_CONN_REFERENCE_DATA_API", "reference-data"),
        ("AIRFLOW_CONN_KAFKA_DEFAULT", "kafka"),
    ],
)
def test_a_given_connection_takes_the_place_of_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connection: str, part: str
) -> None:
    whole = {part.name for part in System(LocalSettings(var_dir=tmp_path)).parts}
    monkeypatch.setenv(connection, '{"conn_type": "http", "host": "http://x.example"}')
    assert whole - {part.name for part in System(LocalSettings(var_dir=tmp_path)).parts} == {part}


def test_a_database_elsewhere_has_roles_of_its_own(monkeypatch: pytest.MonkeyPatch, secrets: Secrets) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OMS_DB", "postgresql://me:mine@db.example:5432/oms")
    addresses = find_addresses(LocalSettings(), secrets)
    assert {addresses.database_url_of(role) for role in secrets.database_role_passwords} == {addresses.database_url}
