"""What parts and clients are told."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from threading import Thread
from urllib.request import urlopen

import httpx
import pytest
from pydantic import SecretStr

from include.deploy.healthy import unhealthy
from include.local.addresses import find_addresses
from include.local.airflow import airflow_parts
from include.local.environment import bypass_proxies, client_environment, part_environment, shell_text
from include.local.secrets import Secrets, kept_secrets
from include.local.services import service_parts
from include.local.settings import LocalSettings

NAMES = [
    "OMS_INTAKE_URL", "OMS_TOKEN", "OMS_DATABASE_URL", "OMS_KAFKA_BOOTSTRAP", "OMS_KAFKA_TOPIC",
    "OMS_REFERENCE_DATA_URL", "OMS_THUNDERHEAD_URL", "AIRFLOW_URL", "AIRFLOW_USER", "AIRFLOW_PASSWORD",
]  # fmt: skip


def test_a_shell_reads_what_was_written() -> None:
    awkward = {"A": "plain", "B": "two words", "C": 'it\'s "quoted" $HOME `x` \\', "D": ""}
    script = shell_text(awkward) + 'printf \'%s\\n\' "$A" "$B" "$C" "$D"'
    told = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
    assert told.stdout == "".join(f"{value}\n" for value in awkward.values())


def test_a_client_is_told_everything(local_settings: LocalSettings, secrets: Secrets) -> None:
    told = client_environment(local_settings, find_addresses(local_settings, secrets), secrets)
    assert list(told) == NAMES
    assert told["OMS_TOKEN"].count(".") == 2


@pytest.mark.parametrize("given", ["", "corp.example", "127.0.0.1,corp.example"])
@pytest.mark.parametrize("spelling", ["NO_PROXY", "no_proxy"])
def test_no_proxy_is_used_for_loopback(monkeypatch: pytest.MonkeyPatch, spelling: str, given: str) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv(spelling, given)
    with served_file() as url:
        assert unhealthy(url) == ""  # a container's health check, which this runner does not start
        bypass_proxies()
        assert httpx.get(url, verify=False).status_code == 200  # it is not TLS: no time for certificates
        with urlopen(url) as answer:
            assert answer.status == 200
    assert ("corp.example" in os.environ[spelling]) == ("corp.example" in given)


@contextmanager
def served_file() -> Iterator[str]:
    """A server on loopback."""
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as it:
        thread = Thread(target=it.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{it.server_port}/"
        finally:
            it.shutdown()
            thread.join()


def test_settings_reach_the_parts(tmp_path: Path, secrets: Secrets) -> None:
    settings = LocalSettings(
        var_dir=tmp_path, processing_interval_seconds=1, thunderhead_token=SecretStr("tok"), intake_port=1234
    )
    told = part_environment(settings, find_addresses(settings, secrets))
    assert told["OMS_PROCESSING_INTERVAL_SECONDS"] == "1.0"
    assert told["OMS_THUNDERHEAD_TOKEN"] == "tok"
    assert told["OMS_INTAKE_PORT"] == "1234"
    assert json.loads(told["AIRFLOW_CONN_THUNDERHEAD_API"])["password"] == "tok"
    assert Path(told["OMS_JWT_PUBLIC_KEY_FILE"]).read_text().startswith("-----BEGIN PUBLIC KEY")


def test_an_issuer_takes_the_place_of_the_local_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OMS_JWT_JWKS_URL", "https://issuer.example/jwks")
    settings = LocalSettings(var_dir=tmp_path)
    assert "OMS_JWT_PUBLIC_KEY_FILE" not in part_environment(settings, find_addresses(settings, Secrets()))


def test_each_part_connects_with_a_role_of_its_own(local_settings: LocalSettings, secrets: Secrets) -> None:
    addresses = find_addresses(local_settings, secrets)
    parts = [*service_parts(local_settings, addresses), *airflow_parts(local_settings, addresses, secrets)]
    roles = {part.name: re.findall(r"postgresql://(\w+):", " ".join(part.env.values())) for part in parts if part.env}
    assert roles == {
        "oms-migrations": ["oms"], "reference-data": ["oms_reference_data"], "intake": ["oms_intake"],
        "api-server": ["oms_console"],
    }  # fmt: skip
    shared = part_environment(local_settings, addresses)
    assert shared["AIRFLOW_CONN_OMS_DB"] == addresses.database_url_of("oms_jobs")
    assert len({addresses.database_url, *addresses.role_urls.values()}) == 6


def test_secrets_of_an_earlier_release_are_completed_once(tmp_path: Path) -> None:
    file = tmp_path / "secrets.json"
    file.write_text(Secrets(fernet_key="kept").model_dump_json(exclude={"database_role_passwords"}))
    first = kept_secrets(file)
    assert first.fernet_key == "kept"
    assert kept_secrets(file) == first


def test_secrets_stay_the_same_and_are_the_owners_alone(tmp_path: Path) -> None:
    first = kept_secrets(tmp_path / "secrets.json")
    assert kept_secrets(tmp_path / "secrets.json") == first
    assert (tmp_path / "secrets.json").stat().st_mode & 0o077 == 0
